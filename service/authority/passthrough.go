package authority

import (
	"crypto/x509/pkix"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"countersign/pki"
)

// parsePassthrough reads an ApiPassthrough. Only the templates that take one
// ask for it; for all others AWS ignores whatever it holds.
func parsePassthrough(in *types.ApiPassthrough) (*pki.Passthrough, error) {
	if in == nil {
		return nil, nil
	}
	p := &pki.Passthrough{}
	if in.Subject != nil {
		attributes, _, err := parseAttributes(in.Subject)
		if err != nil {
			return nil, err
		}
		if len(attributes) > 0 { // an empty one is none
			if p.Subject, err = pki.EncodeName(attributes); err != nil {
				return nil, issuingError(err)
			}
		}
	}
	var err error
	if p.Extensions, err = parseExtensions(in.Extensions); err != nil {
		return nil, issuingError(err)
	}
	if err := p.Check(); err != nil {
		return nil, issuingError(err)
	}
	return p, nil
}

// parseExtensions keeps the order of the model's members.
func parseExtensions(in *types.Extensions) ([]pkix.Extension, error) {
	if in == nil {
		return nil, nil
	}
	var list []pkix.Extension
	if len(in.CertificatePolicies) > 0 {
		e, err := policiesExtension(in.CertificatePolicies)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(in.ExtendedKeyUsage) > 0 {
		e, err := extKeyUsageExtension(in.ExtendedKeyUsage)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if in.KeyUsage != nil {
		e, err := pki.KeyUsageExtension(usageBits(in.KeyUsage))
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(in.SubjectAlternativeNames) > 0 {
		var names []pki.GeneralName
		for _, n := range in.SubjectAlternativeNames {
			name, err := generalName(&n)
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		e, err := pki.AltNameExtension(names)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	for _, c := range in.CustomExtensions {
		id := aws.ToString(c.ObjectIdentifier)
		value, err := base64.StdEncoding.DecodeString(aws.ToString(c.Value))
		if err != nil {
			return nil, invalidArgs("the value of the custom extension %s is not base64", id)
		}
		e, err := pki.CustomExtension(id, aws.ToBool(c.Critical), value)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func policiesExtension(in []types.PolicyInformation) (pkix.Extension, error) {
	policies := make([]pki.PolicyInformation, len(in))
	for n, p := range in {
		policies[n].Policy = aws.ToString(p.CertPolicyId)
		for _, q := range p.PolicyQualifiers {
			if q.PolicyQualifierId != types.PolicyQualifierIdCps || q.Qualifier == nil {
				return pkix.Extension{}, invalidArgs("a policy qualifier must be a CPS with its CpsUri")
			}
			policies[n].CPS = append(policies[n].CPS, aws.ToString(q.Qualifier.CpsUri))
		}
	}
	return pki.PoliciesExtension(policies)
}

func extKeyUsageExtension(in []types.ExtendedKeyUsage) (pkix.Extension, error) {
	var ids []string
	for _, u := range in {
		id := aws.ToString(u.ExtendedKeyUsageObjectIdentifier)
		if (id == "") == (u.ExtendedKeyUsageType == "") {
			return pkix.Extension{}, invalidArgs("an extended key usage has either ExtendedKeyUsageType or ExtendedKeyUsageObjectIdentifier")
		}
		if id == "" {
			var ok bool
			if id, ok = pki.NamedUsage(string(u.ExtendedKeyUsageType)); !ok {
				return pkix.Extension{}, invalidArgs("the extended key usage %s does not exist", u.ExtendedKeyUsageType)
			}
		}
		ids = append(ids, id)
	}
	return pki.ExtKeyUsageExtension(ids)
}

// usageBits puts the model's members into the order of RFC 5280.
func usageBits(u *types.KeyUsage) pki.UsageBits {
	return pki.UsageBits{u.DigitalSignature, u.NonRepudiation, u.KeyEncipherment, u.DataEncipherment, u.KeyAgreement,
		u.KeyCertSign, u.CRLSign, u.EncipherOnly, u.DecipherOnly}
}

// generalName encodes a GeneralName, which has exactly one member.
func generalName(n *types.GeneralName) (pki.GeneralName, error) {
	var all []func() (pki.GeneralName, error)
	text := func(value *string, encode func(string) (pki.GeneralName, error)) {
		if value != nil {
			all = append(all, func() (pki.GeneralName, error) { return encode(*value) })
		}
	}
	if n != nil {
		text(n.DnsName, pki.DNSName)
		text(n.Rfc822Name, pki.RFC822Name)
		text(n.UniformResourceIdentifier, pki.URIName)
		text(n.IpAddress, pki.IPAddress)
		text(n.RegisteredId, pki.RegisteredID)
		if o := n.OtherName; o != nil {
			all = append(all, func() (pki.GeneralName, error) {
				return pki.OtherName(aws.ToString(o.TypeId), aws.ToString(o.Value))
			})
		}
		if e := n.EdiPartyName; e != nil {
			all = append(all, func() (pki.GeneralName, error) {
				return pki.EDIPartyName(aws.ToString(e.PartyName), aws.ToString(e.NameAssigner))
			})
		}
		if d := n.DirectoryName; d != nil {
			all = append(all, func() (pki.GeneralName, error) {
				attributes, _, err := parseAttributes(d)
				if err != nil {
					return nil, err
				}
				return pki.DirectoryName(attributes)
			})
		}
	}
	if len(all) != 1 {
		return nil, invalidArgs("a general name must have exactly one member; this one has %d", len(all))
	}
	return all[0]()
}

// csrExtensions makes the extensions of an authority's CSR, beside
// basicConstraints. They reach its certificate only through a template that
// takes extensions from the CSR.
func csrExtensions(in *types.CsrExtensions) ([]pkix.Extension, error) {
	if in == nil || in.KeyUsage == nil && len(in.SubjectInformationAccess) == 0 {
		return nil, nil
	}
	if in.KeyUsage != nil && len(in.SubjectInformationAccess) > 0 {
		return nil, invalidArgs("CsrExtensions has either KeyUsage or SubjectInformationAccess, not both")
	}
	var e pkix.Extension
	var err error
	if in.KeyUsage != nil {
		e, err = pki.KeyUsageExtension(usageBits(in.KeyUsage))
	} else {
		e, err = accessExtension(in.SubjectInformationAccess)
	}
	if err != nil {
		return nil, issuingError(err)
	}
	return []pkix.Extension{e}, nil
}

func accessExtension(in []types.AccessDescription) (pkix.Extension, error) {
	var list []pki.Access
	for _, a := range in {
		method := &types.AccessMethod{}
		if a.AccessMethod != nil {
			method = a.AccessMethod
		}
		id := aws.ToString(method.CustomObjectIdentifier)
		if (id == "") == (method.AccessMethodType == "") {
			return pkix.Extension{}, invalidArgs("an access method has either AccessMethodType or CustomObjectIdentifier")
		}
		switch method.AccessMethodType {
		case "":
		case types.AccessMethodTypeCaRepository:
			id = pki.CARepository
		case types.AccessMethodTypeResourcePkiManifest:
			id = pki.RPKIManifest
		case types.AccessMethodTypeResourcePkiNotify:
			id = pki.RPKINotify
		default:
			return pkix.Extension{}, invalidArgs("the access method %s does not exist", method.AccessMethodType)
		}
		location, err := generalName(a.AccessLocation)
		if err != nil {
			return pkix.Extension{}, err
		}
		list = append(list, pki.Access{Method: id, Location: location})
	}
	return pki.SubjectInfoAccessExtension(list)
}
