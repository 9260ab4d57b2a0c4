package main

// fixS3 adds what botocore's model of S3 leaves to its clients.
func fixS3(m *model) {
	m.Metadata.XMLNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	m.Metadata.SigningName = "s3"

	// Replaced by the operations ending in Configuration, at the same URIs; the
	// Go SDK does not have them.
	for _, n := range []string{"GetBucketLifecycle", "GetBucketNotification", "PutBucketLifecycle", "PutBucketNotification"} {
		delete(m.Operations, n)
	}

	// Unions that botocore takes for structures. The Go SDK has interfaces.
	for _, n := range []string{"AnalyticsFilter", "MetricsFilter"} {
		m.Shapes[n].Union = true
	}

	// The SDK has Expires as a time, and in answers also as the text that was
	// received, which wins.
	m.Shapes["Expires"].Type = "timestamp"
	m.Shapes["ExpiresString"] = &shape{Type: "string"}
	for _, n := range []string{"GetObjectOutput", "HeadObjectOutput"} {
		m.Shapes[n].Members = append(m.Shapes[n].Members, member{
			name: "ExpiresString",
			ref:  ref{Shape: "ExpiresString", Location: "header", LocationName: "Expires"},
		})
	}

	// The roots of answers, from the API reference of each operation: botocore
	// does not look at them, other clients may.
	m.responseRoots = map[string]string{
		"CompleteMultipartUpload":                    "CompleteMultipartUploadResult",
		"CreateMultipartUpload":                      "InitiateMultipartUploadResult",
		"CreateSession":                              "CreateSessionResult",
		"DeleteObjects":                              "DeleteResult",
		"GetBucketAccelerateConfiguration":           "AccelerateConfiguration",
		"GetBucketAcl":                               "AccessControlPolicy",
		"GetBucketCors":                              "CORSConfiguration",
		"GetBucketLifecycleConfiguration":            "LifecycleConfiguration",
		"GetBucketLocation":                          "LocationConstraint",
		"GetBucketLogging":                           "BucketLoggingStatus",
		"GetBucketNotificationConfiguration":         "NotificationConfiguration",
		"GetBucketRequestPayment":                    "RequestPaymentConfiguration",
		"GetBucketTagging":                           "Tagging",
		"GetBucketVersioning":                        "VersioningConfiguration",
		"GetBucketWebsite":                           "WebsiteConfiguration",
		"GetObjectAcl":                               "AccessControlPolicy",
		"GetObjectAttributes":                        "GetObjectAttributesResponse",
		"GetObjectTagging":                           "Tagging",
		"ListBucketAnalyticsConfigurations":          "ListBucketAnalyticsConfigurationsResult",
		"ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
		"ListBucketInventoryConfigurations":          "ListInventoryConfigurationsResult",
		"ListBucketMetricsConfigurations":            "ListMetricsConfigurationsResult",
		"ListBuckets":                                "ListAllMyBucketsResult",
		"ListDirectoryBuckets":                       "ListAllMyDirectoryBucketsResult",
		"ListMultipartUploads":                       "ListMultipartUploadsResult",
		"ListObjectVersions":                         "ListVersionsResult",
		"ListObjects":                                "ListBucketResult",
		"ListObjectsV2":                              "ListBucketResult",
		"ListParts":                                  "ListPartsResult",
	}
}
