package api

import "countersign/service/authority"

// ACMPCA lists what is built of AWS Private CA: all 23 operations.
func ACMPCA(s *authority.Service) Service {
	return Service{ID: "acm-pca", Operations: []Operation{
		op("CreateCertificateAuthority", s.CreateCertificateAuthority),
		op("CreateCertificateAuthorityAuditReport", s.CreateCertificateAuthorityAuditReport),
		op("CreatePermission", s.CreatePermission),
		op("DeleteCertificateAuthority", s.DeleteCertificateAuthority),
		op("DeletePermission", s.DeletePermission),
		op("DeletePolicy", s.DeletePolicy),
		op("DescribeCertificateAuthority", s.DescribeCertificateAuthority),
		op("DescribeCertificateAuthorityAuditReport", s.DescribeCertificateAuthorityAuditReport),
		op("GetCertificate", s.GetCertificate),
		op("GetCertificateAuthorityCertificate", s.GetCertificateAuthorityCertificate),
		op("GetCertificateAuthorityCsr", s.GetCertificateAuthorityCsr),
		op("GetPolicy", s.GetPolicy),
		op("ImportCertificateAuthorityCertificate", s.ImportCertificateAuthorityCertificate),
		op("IssueCertificate", s.IssueCertificate),
		op("ListCertificateAuthorities", s.ListCertificateAuthorities),
		op("ListPermissions", s.ListPermissions),
		op("ListTags", s.ListTags),
		op("PutPolicy", s.PutPolicy),
		op("RestoreCertificateAuthority", s.RestoreCertificateAuthority),
		op("RevokeCertificate", s.RevokeCertificate),
		op("TagCertificateAuthority", s.TagCertificateAuthority),
		op("UntagCertificateAuthority", s.UntagCertificateAuthority),
		op("UpdateCertificateAuthority", s.UpdateCertificateAuthority),
	}}
}
