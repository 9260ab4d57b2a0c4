package authority

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/pki"
)

// A subject is a distinguished name in the order in which it is encoded.
// Standard attributes come in the order of ASN1Subject's members, as AWS emits
// them; custom ones in the order they were given in.
type subject struct {
	Attributes []pki.Attribute
	Custom     bool `json:",omitempty"` // given as CustomAttributes
}

// standard lists the members of ASN1Subject in the order AWS encodes them.
var standard = [...]struct {
	oid string
	of  func(*types.ASN1Subject) **string
}{
	{pki.Country, func(s *types.ASN1Subject) **string { return &s.Country }},
	{pki.Organization, func(s *types.ASN1Subject) **string { return &s.Organization }},
	{pki.OrganizationalUnit, func(s *types.ASN1Subject) **string { return &s.OrganizationalUnit }},
	{pki.DNQualifier, func(s *types.ASN1Subject) **string { return &s.DistinguishedNameQualifier }},
	{pki.State, func(s *types.ASN1Subject) **string { return &s.State }},
	{pki.CommonName, func(s *types.ASN1Subject) **string { return &s.CommonName }},
	{pki.SubjectSerialNumber, func(s *types.ASN1Subject) **string { return &s.SerialNumber }},
	{pki.Locality, func(s *types.ASN1Subject) **string { return &s.Locality }},
	{pki.Title, func(s *types.ASN1Subject) **string { return &s.Title }},
	{pki.Surname, func(s *types.ASN1Subject) **string { return &s.Surname }},
	{pki.GivenName, func(s *types.ASN1Subject) **string { return &s.GivenName }},
	{pki.Initials, func(s *types.ASN1Subject) **string { return &s.Initials }},
	{pki.Pseudonym, func(s *types.ASN1Subject) **string { return &s.Pseudonym }},
	{pki.GenerationQualifier, func(s *types.ASN1Subject) **string { return &s.GenerationQualifier }},
}

// parseSubject reads the subject of an authority, which must not be empty.
func parseSubject(in *types.ASN1Subject) (subject, error) {
	var s subject
	var err error
	if in != nil {
		if s.Attributes, s.Custom, err = parseAttributes(in); err != nil {
			return subject{}, err
		}
	}
	if len(s.Attributes) == 0 {
		return subject{}, invalidArgs("the subject of a certificate authority must have at least one attribute, CommonName for one")
	}
	if _, err := pki.EncodeName(s.Attributes); err != nil {
		return subject{}, issuingError(err)
	}
	return s, nil
}

// parseAttributes lists the attributes of an ASN1Subject in their order, and
// says whether they are custom ones.
func parseAttributes(in *types.ASN1Subject) (list []pki.Attribute, custom bool, err error) {
	for _, member := range standard {
		// The model allows empty strings; tools send them for "not given".
		if v := aws.ToString(*member.of(in)); v != "" {
			list = append(list, pki.Attribute{OID: member.oid, Value: v})
		}
	}
	if len(in.CustomAttributes) == 0 {
		return list, false, nil
	}
	if len(list) > 0 {
		return nil, false, invalidArgs("a subject has either CustomAttributes or standard attributes, not both")
	}
	for _, a := range in.CustomAttributes {
		list = append(list, pki.Attribute{OID: aws.ToString(a.ObjectIdentifier), Value: aws.ToString(a.Value)})
	}
	return list, true, nil
}

func (s subject) describe() *types.ASN1Subject {
	out := &types.ASN1Subject{}
	for _, a := range s.Attributes {
		if s.Custom {
			out.CustomAttributes = append(out.CustomAttributes, types.CustomAttribute{ObjectIdentifier: aws.String(a.OID), Value: aws.String(a.Value)})
			continue
		}
		for _, member := range standard {
			if member.oid == a.OID {
				*member.of(out) = aws.String(a.Value)
			}
		}
	}
	return out
}
