package api

import "countersign/service/logs"

// Logs lists what is built of CloudWatch Logs (2014-03-28).
func Logs(s *logs.Service) Service {
	return Service{ID: "logs", Operations: []Operation{
		op("CreateLogGroup", s.CreateLogGroup),
		op("CreateLogStream", s.CreateLogStream),
		op("DeleteLogGroup", s.DeleteLogGroup),
		op("DeleteLogStream", s.DeleteLogStream),
		op("DeleteRetentionPolicy", s.DeleteRetentionPolicy),
		op("DescribeLogGroups", s.DescribeLogGroups),
		op("DescribeLogStreams", s.DescribeLogStreams),
		op("FilterLogEvents", s.FilterLogEvents),
		op("GetLogEvents", s.GetLogEvents),
		op("ListTagsForResource", s.ListTagsForResource),
		op("ListTagsLogGroup", s.ListTagsLogGroup),
		op("PutLogEvents", s.PutLogEvents),
		op("PutRetentionPolicy", s.PutRetentionPolicy),
		op("TagLogGroup", s.TagLogGroup),
		op("TagResource", s.TagResource),
		op("UntagLogGroup", s.UntagLogGroup),
		op("UntagResource", s.UntagResource),
	}}
}
