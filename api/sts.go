package api

import "countersign/service/identity"

// STS lists what is built of AWS STS.
func STS(s *identity.Service) Service {
	return Service{ID: "sts", Operations: []Operation{
		op("GetCallerIdentity", s.GetCallerIdentity),
		op("AssumeRole", s.AssumeRole),
		op("GetSessionToken", s.GetSessionToken),
	}}
}
