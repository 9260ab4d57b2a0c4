// Package policy is the policy language of AWS: it parses documents and decides
// what one document says to a request. It is pure: documents and requests are
// values. It answers for no AWS operation; services hand it their resource
// policies (bucket policies first) and decide what its answer means together
// with others (an explicit deny anywhere wins; who needs whose consent).
//
// Elements, operators and matching follow the IAM reference: Version
// 2012-10-17 and 2008-10-17 (without variables), Effect, Principal, Action,
// Resource and their negations, Condition with every operator, IfExists, Null,
// ForAllValues and ForAnyValue. A document with anything else is refused as a
// whole: a statement that is not understood is never skipped.
package policy
