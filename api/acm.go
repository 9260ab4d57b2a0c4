package api

import "countersign/service/certificates"

// ACM lists what is built of AWS Certificate Manager.
func ACM(s *certificates.Service) Service {
	return Service{ID: "acm", Operations: []Operation{
		op("AddTagsToCertificate", s.AddTagsToCertificate),
		op("DeleteCertificate", s.DeleteCertificate),
		op("DescribeCertificate", s.DescribeCertificate),
		op("ExportCertificate", s.ExportCertificate),
		op("GetCertificate", s.GetCertificate),
		op("ImportCertificate", s.ImportCertificate),
		op("ListCertificates", s.ListCertificates),
		op("ListTagsForCertificate", s.ListTagsForCertificate),
		op("RemoveTagsFromCertificate", s.RemoveTagsFromCertificate),
		op("RequestCertificate", s.RequestCertificate),
	}}
}
