package pki

// A Rule names what an issuing request broke, for callers that answer each
// kind with an error of their own.
type Rule string

// Rules of issuing.
const (
	RuleTemplate        Rule = "template"         // unknown template
	RuleAlgorithm       Rule = "algorithm"        // signing algorithm unknown or of another key family
	RuleValidity        Rule = "validity"         // value, type or span of a validity
	RuleNesting         Rule = "nesting"          // the certificate would outlive its issuer
	RuleShortLived      Rule = "short-lived"      // more than seven days from a short-lived CA
	RulePathLength      Rule = "path-length"      // the issuer's path length forbids this CA certificate
	RuleDepth           Rule = "depth"            // more than five levels
	RuleRoot            Rule = "root"             // root template with another key, or at a CA that is no root
	RuleNameConstraints Rule = "name-constraints" // names outside what a CA of the chain allows
	RuleSubject         Rule = "subject"          // a subject that cannot be encoded
	RuleExtension       Rule = "extension"        // an extension that cannot be encoded
	RuleLint            Rule = "lint"             // a certificate that would break RFC 5280's profile
)

// A RuleError says which rule of issuing was broken. Message is fit to be
// shown to the client.
type RuleError struct {
	Rule    Rule
	Message string
}

func (e *RuleError) Error() string { return e.Message }

// A RequestError says why bytes are no acceptable certificate request. Message
// is fit to be shown to the client.
type RequestError struct {
	Message string
}

func (e *RequestError) Error() string { return e.Message }

// ImportFault tells the ways a CA certificate can be unacceptable apart.
type ImportFault string

// Faults of [CheckImport].
const (
	ImportMalformed ImportFault = "malformed" // not PEM, not X.509, or against the profile
	ImportMismatch  ImportFault = "mismatch"  // key, subject or chain do not belong together
	ImportInvalid   ImportFault = "invalid"   // chain given for a root, or missing for a subordinate
)

// An ImportError says why a CA certificate cannot be imported. Message is fit
// to be shown to the client.
type ImportError struct {
	Fault   ImportFault
	Message string
}

func (e *ImportError) Error() string { return e.Message }
