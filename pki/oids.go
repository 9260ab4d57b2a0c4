package pki

import "encoding/asn1"

type oid = asn1.ObjectIdentifier

// Extensions (RFC 5280 section 4.2, 5.2).
var (
	oidSubjectDirectoryAttributes = oid{2, 5, 29, 9}
	oidSubjectKeyID               = oid{2, 5, 29, 14}
	oidKeyUsage                   = oid{2, 5, 29, 15}
	oidSubjectAltName             = oid{2, 5, 29, 17}
	oidIssuerAltName              = oid{2, 5, 29, 18}
	oidBasicConstraints           = oid{2, 5, 29, 19}
	oidNameConstraints            = oid{2, 5, 29, 30}
	oidCRLDistributionPoints      = oid{2, 5, 29, 31}
	oidCertificatePolicies        = oid{2, 5, 29, 32}
	oidPolicyMappings             = oid{2, 5, 29, 33}
	oidAuthorityKeyID             = oid{2, 5, 29, 35}
	oidPolicyConstraints          = oid{2, 5, 29, 36}
	oidExtKeyUsage                = oid{2, 5, 29, 37}
	oidInhibitAnyPolicy           = oid{2, 5, 29, 54}
	oidAuthorityInfoAccess        = oid{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidSubjectInfoAccess          = oid{1, 3, 6, 1, 5, 5, 7, 1, 11}
	oidIssuingDistributionPoint   = oid{2, 5, 29, 28}
	oidCRLNumber                  = oid{2, 5, 29, 20}
)

// Extended key usages (RFC 5280 section 4.2.1.12) and access methods.
var (
	oidServerAuth  = oid{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth  = oid{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidCodeSigning = oid{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidOCSPSigning = oid{1, 3, 6, 1, 5, 5, 7, 3, 9}
	oidOCSP        = oid{1, 3, 6, 1, 5, 5, 7, 48, 1}
)

var oidCPS = oid{1, 3, 6, 1, 5, 5, 7, 2, 1} // qualifier of a certificate policy (RFC 5280 section 4.2.1.4)

var oidExtensionRequest = oid{1, 2, 840, 113549, 1, 9, 14} // PKCS#9

// keyUsage holds bit n of the KeyUsage BIT STRING at 1<<n.
type keyUsage uint16

const (
	usageDigitalSignature keyUsage = 1 << 0
	usageKeyEncipherment  keyUsage = 1 << 2
	usageCertSign         keyUsage = 1 << 5
	usageCRLSign          keyUsage = 1 << 6
)
