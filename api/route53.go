package api

import "countersign/service/zones"

// Route53 lists the operations of Route 53 that are built: public hosted zones
// and their record sets.
func Route53(s *zones.Service) Service {
	return Service{ID: "route53", Operations: []Operation{
		op("CreateHostedZone", s.CreateHostedZone),
		op("GetHostedZone", s.GetHostedZone),
		op("DeleteHostedZone", s.DeleteHostedZone),
		op("UpdateHostedZoneComment", s.UpdateHostedZoneComment),
		op("ListHostedZones", s.ListHostedZones),
		op("ListHostedZonesByName", s.ListHostedZonesByName),
		op("GetHostedZoneCount", s.GetHostedZoneCount),
		op("ChangeResourceRecordSets", s.ChangeResourceRecordSets),
		op("ListResourceRecordSets", s.ListResourceRecordSets),
		op("GetChange", s.GetChange),
		op("ChangeTagsForResource", s.ChangeTagsForResource),
		op("ListTagsForResource", s.ListTagsForResource),
	}}
}
