package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"
)

// Every operation of Route 53 that is built, and its most important refusals.
func TestRoute53(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := context.Background()
	create := &route53.CreateHostedZoneInput{Name: aws.String("Zones.Example.Test"), CallerReference: aws.String("one"), HostedZoneConfig: &r53types.HostedZoneConfig{Comment: aws.String("first")}}
	made := must(s.route53.CreateHostedZone(ctx, create))(t)
	id := made.HostedZone.Id
	same(t, "name", *made.HostedZone.Name, "zones.example.test.")
	same(t, "name servers", len(made.DelegationSet.NameServers) > 0, true)
	_, err := s.route53.CreateHostedZone(ctx, create)
	var exists *r53types.HostedZoneAlreadyExists
	if !errors.As(err, &exists) {
		t.Errorf("create again: %v", err)
	}
	change := must(s.route53.GetChange(ctx, &route53.GetChangeInput{Id: made.ChangeInfo.Id}))(t).ChangeInfo
	same(t, "change", change.Status, r53types.ChangeStatusInsync)
	_, err = s.route53.GetChange(ctx, &route53.GetChangeInput{Id: aws.String("C0000000000000")})
	wantCode(t, err, "NoSuchChange")

	must(s.route53.UpdateHostedZoneComment(ctx, &route53.UpdateHostedZoneCommentInput{Id: id, Comment: aws.String("second")}))(t)
	got := must(s.route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: id}))(t)
	same(t, "comment", *got.HostedZone.Config.Comment, "second")
	same(t, "records of a new zone", *got.HostedZone.ResourceRecordSetCount, 2)
	_, err = s.route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: aws.String("Z0000000000000")})
	wantCode(t, err, "NoSuchHostedZone")

	other := must(s.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("another.test"), CallerReference: aws.String("two")}))(t).HostedZone
	name := func(z r53types.HostedZone) string { return *z.Name }
	same(t, "zones", names(must(s.route53.ListHostedZones(ctx, &route53.ListHostedZonesInput{}))(t).HostedZones, name), []string{"another.test.", "zones.example.test."})
	same(t, "zones from a name on", names(must(s.route53.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: aws.String("example.test")}))(t).HostedZones, name), []string{"zones.example.test."})
	same(t, "zones in all", *must(s.route53.GetHostedZoneCount(ctx, &route53.GetHostedZoneCountInput{}))(t).HostedZoneCount, 2)

	// Records: a batch is carried out as a whole or not at all.
	record := func(name, kind, value string) *r53types.ResourceRecordSet {
		return &r53types.ResourceRecordSet{Name: &name, Type: r53types.RRType(kind), TTL: aws.Int64(60), ResourceRecords: []r53types.ResourceRecord{{Value: &value}}}
	}
	apply := func(changes ...r53types.Change) error {
		_, err := s.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: id, ChangeBatch: &r53types.ChangeBatch{Changes: changes}})
		return err
	}
	www, txt := record("www.zones.example.test", "A", "192.0.2.1"), record("zones.example.test", "TXT", `"hello"`)
	if err := apply(r53types.Change{Action: r53types.ChangeActionCreate, ResourceRecordSet: www}, r53types.Change{Action: r53types.ChangeActionUpsert, ResourceRecordSet: txt}); err != nil {
		t.Fatal(err)
	}
	err = apply(r53types.Change{Action: r53types.ChangeActionDelete, ResourceRecordSet: txt}, r53types.Change{Action: r53types.ChangeActionCreate, ResourceRecordSet: www})
	var invalid *r53types.InvalidChangeBatch
	if !errors.As(err, &invalid) || !strings.HasPrefix(invalid.ErrorMessage(), "[") {
		t.Errorf("a record twice: %v", err)
	}
	sets := func(in *route53.ListResourceRecordSetsInput) []string {
		t.Helper()
		in.HostedZoneId = id
		return names(must(s.route53.ListResourceRecordSets(ctx, in))(t).ResourceRecordSets, func(r r53types.ResourceRecordSet) string { return *r.Name + " " + string(r.Type) })
	}
	same(t, "records", sets(&route53.ListResourceRecordSetsInput{}), []string{"www.zones.example.test. A", "zones.example.test. NS", "zones.example.test. SOA", "zones.example.test. TXT"})
	same(t, "records from a name on", sets(&route53.ListResourceRecordSetsInput{StartRecordName: aws.String("www.zones.example.test"), StartRecordType: r53types.RRTypeA}), []string{"www.zones.example.test. A"})
	answer, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("WWW.zones.example.test.", dns.TypeA), s.node.Endpoints().DNS)
	if err != nil || len(answer.Answer) != 1 || answer.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
		t.Errorf("the name server answers %v, %v", answer, err)
	}

	tag := func(in *route53.ChangeTagsForResourceInput) {
		t.Helper()
		in.ResourceId, in.ResourceType = other.Id, r53types.TagResourceTypeHostedzone
		must(s.route53.ChangeTagsForResource(ctx, in))(t)
	}
	tag(&route53.ChangeTagsForResourceInput{AddTags: []r53types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}})
	tag(&route53.ChangeTagsForResourceInput{RemoveTagKeys: []string{"a"}})
	tags := must(s.route53.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceId: other.Id, ResourceType: r53types.TagResourceTypeHostedzone}))(t).ResourceTagSet.Tags
	same(t, "tags", names(tags, func(tag r53types.Tag) string { return *tag.Key + "=" + *tag.Value }), []string{"b=2"})

	_, err = s.route53.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: id})
	wantCode(t, err, "HostedZoneNotEmpty")
	if err := apply(r53types.Change{Action: r53types.ChangeActionDelete, ResourceRecordSet: www}, r53types.Change{Action: r53types.ChangeActionDelete, ResourceRecordSet: txt}); err != nil {
		t.Fatal(err)
	}
	must(s.route53.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: id}))(t)
	answer, _, err = new(dns.Client).Exchange(new(dns.Msg).SetQuestion("www.zones.example.test.", dns.TypeA), s.node.Endpoints().DNS)
	if err != nil || answer.Rcode != dns.RcodeRefused {
		t.Errorf("the name server answers for a zone that is gone: %v, %v", answer, err)
	}
	_, err = s.route53.ListHealthChecks(ctx, &route53.ListHealthChecksInput{})
	wantCode(t, err, "NotImplemented")
}
