package zones

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"countersign/call"
	"countersign/service/stacks/resource/resourcetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

func newStack(t *testing.T) (*Service, context.Context, *resourcetest.Stack) {
	s, ctx := setUp(t)
	return s, ctx, resourcetest.New(t, call.Through(ctx, call.CloudFormation), "000000000000", "us-east-1", s.ResourceTypes())
}

const (
	zoneType  = "AWS::Route53::HostedZone"
	setType   = "AWS::Route53::RecordSet"
	groupType = "AWS::Route53::RecordSetGroup"
)

// records lists what a zone holds beside its SOA and NS records.
func (s *Service) records(t testing.TB, ctx context.Context, zone string) string {
	t.Helper()
	out := must(s.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &zone}))(t)
	var b strings.Builder
	for _, r := range out.ResourceRecordSets {
		if r.Type == "SOA" || r.Type == "NS" {
			continue
		}
		fmt.Fprintf(&b, "%s %s", *r.Name, r.Type)
		if r.AliasTarget != nil {
			fmt.Fprintf(&b, " alias %s %s %t", *r.AliasTarget.HostedZoneId, *r.AliasTarget.DNSName, r.AliasTarget.EvaluateTargetHealth)
		} else {
			fmt.Fprintf(&b, " %d", *r.TTL)
		}
		for _, v := range r.ResourceRecords {
			fmt.Fprintf(&b, " %s", *v.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestResourceHostedZone(t *testing.T) {
	t.Parallel()
	s, ctx, stack := newStack(t)
	z := stack.Create(zoneType, "Zone", `{"Name": "example.com", "HostedZoneConfig": {"Comment": "first"}, "HostedZoneTags": [{"Key": "old", "Value": "1"}]}`)
	if !strings.HasPrefix(z.PhysicalID, "Z") || z.Attributes["Id"] != z.PhysicalID {
		t.Errorf("made %+v", z.Result)
	}
	if servers, ok := z.Attributes["NameServers"].([]any); !ok || len(servers) != 4 || servers[0] != DefaultNameServers[0] {
		t.Errorf("name servers %v", z.Attributes["NameServers"])
	}
	stack.Again(z)
	stack.Found(z)
	tags := func() (got string) {
		out := must(s.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceId: &z.PhysicalID, ResourceType: "hostedzone"}))(t)
		for _, tag := range out.ResourceTagSet.Tags {
			got += strings.TrimPrefix(*tag.Key, "aws:cloudformation:") + "=" + *tag.Value + " "
		}
		return got
	}
	system := "logical-id=Zone stack-id=" + stack.Stack.ID + " stack-name=stack "
	if want := system + "old=1 "; tags() != want {
		t.Errorf("tags %s, want %s", tags(), want)
	}
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprintf(`{"Key": "k%d", "Value": "v"}`, i))
	}
	stack.Update(z, `{"Name": "example.com", "HostedZoneConfig": {"Comment": "second"}, "HostedZoneTags": [`+strings.Join(many, ",")+`]}`)
	if got := must(s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &z.PhysicalID}))(t); *got.HostedZone.Config.Comment != "second" {
		t.Errorf("comment %q", *got.HostedZone.Config.Comment)
	}
	if got := tags(); strings.Contains(got, "old") || strings.Count(got, "=v") != 10 || !strings.HasPrefix(got, system) {
		t.Errorf("tags after the update: %s", got)
	}
	stack.Update(z, `{"Name": "example.com"}`)
	if got := must(s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &z.PhysicalID}))(t); aws.ToString(got.HostedZone.Config.Comment) != "" || tags() != system {
		t.Errorf("comment %v, tags %s", got.HostedZone.Config.Comment, tags())
	}
	stack.Replaces(zoneType, true, "Name")
	stack.Replaces(zoneType, false, "HostedZoneConfig", "HostedZoneTags")

	stack.Refused(zoneType, `{"Name": "example.com"}`, "ConflictingDomainExists", "example.com")
	stack.Refused(zoneType, `{"Name": "example..com"}`, "InvalidDomainName", "not a valid domain name")
	stack.Refused(zoneType, `{"Name": "x.com", "VPCs": [{"VPCId": "vpc-1", "VPCRegion": "us-east-1"}]}`, "", "VPCs is not built")
	stack.Refused(zoneType, `{}`, "", "Property Name cannot be empty.")

	r := stack.Create(setType, "Record", `{"HostedZoneId": "`+z.PhysicalID+`", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`)
	wantError(t, stack.TryDelete(z), "HostedZoneNotEmpty", "non-required resource record sets")
	stack.Delete(r)
	stack.Delete(z)
	stack.Delete(r) // with its zone
}

func TestResourceRecordSet(t *testing.T) {
	t.Parallel()
	s, ctx, stack := newStack(t)
	zone := bareID(s.make(t, ctx, "example.com"), "hostedzone")
	properties := `{"HostedZoneName": "example.com.", "Name": "*.a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1", "192.0.2.2"], "Comment": "mine"}`
	r := stack.Create(setType, "Record", properties)
	if r.PhysicalID != "*.a.example.com" {
		t.Errorf("physical id %s", r.PhysicalID)
	}
	want := func(want string) {
		t.Helper()
		if got := s.records(t, ctx, zone); got != want {
			t.Errorf("records\n%swant\n%s", got, want)
		}
	}
	want("\\052.a.example.com. A 60 192.0.2.1 192.0.2.2\n")
	stack.Found(r)
	// A record that is there is somebody's, as on AWS.
	stack.Refused(setType, properties, "InvalidChangeBatch", `[name='\052.a.example.com.', type='A'] but it already exists`)
	if id := stack.Find(stack.New(setType, "Record", strings.Replace(properties, "192.0.2.2", "192.0.2.3", 1))); id != "" {
		t.Errorf("found %s, which has other values", id)
	}

	stack.Update(r, `{"HostedZoneName": "example.com.", "Name": "*.a.example.com", "Type": "A", "AliasTarget": {"HostedZoneId": "Z1UJRXOUMOOFQ8", "DNSName": "d-1.execute-api.us-east-1.amazonaws.com"}}`)
	want("\\052.a.example.com. A alias Z1UJRXOUMOOFQ8 d-1.execute-api.us-east-1.amazonaws.com. false\n")
	stack.Update(r, `{"HostedZoneName": "example.com.", "Name": "*.a.example.com", "Type": "TXT", "TTL": 5, "ResourceRecords": ["\"x\""]}`)
	want("\\052.a.example.com. TXT 5 \"x\"\n")
	stack.Replaces(setType, true, "Name", "HostedZoneId", "HostedZoneName")
	stack.Replaces(setType, false, "Type", "TTL", "ResourceRecords", "AliasTarget", "Comment")

	upsert := func(set *types.ResourceRecordSet) {
		t.Helper()
		if err := s.apply(ctx, zone, "UPSERT", set); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody has changed it: deleting does not take that away.
	upsert(set("*.a.example.com", "TXT", 6, `"theirs"`))
	wantError(t, stack.TryDelete(r), "InvalidChangeBatch", "do not match the current values")
	upsert(set("*.a.example.com", "TXT", 5, `"x"`))
	stack.Delete(r)
	want("")

	for _, bad := range [][3]string{
		{`{"Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`, "InvalidInput", "HostedZoneId"},
		{`{"HostedZoneName": "no.example.", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`, "NoSuchHostedZone", "No hosted zones named no.example. found"},
		{`{"HostedZoneId": "ZNONE", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`, "NoSuchHostedZone", "ZNONE"},
		{`{"HostedZoneId": "Z1", "HostedZoneName": "example.com", "Name": "a.example.com", "Type": "A"}`, "", "Only one of"},
		{`{"HostedZoneId": "` + zone + `", "Name": "a.example.com", "Type": "A", "ResourceRecords": ["192.0.2.1"]}`, "InvalidChangeBatch", "TTL"},
		{`{"HostedZoneId": "` + zone + `", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["host"]}`, "InvalidChangeBatch", "IPv4"},
		{`{"HostedZoneId": "` + zone + `", "Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"], "Weight": 3, "SetIdentifier": "a"}`, "", "Weight is not built"},
	} {
		stack.Refused(setType, bad[0], bad[1], bad[2])
	}
	want("")
}

func TestResourceRecordSetGroup(t *testing.T) {
	t.Parallel()
	s, ctx, stack := newStack(t)
	zone := bareID(s.make(t, ctx, "example.com"), "hostedzone")
	other := bareID(s.make(t, ctx, "example.org"), "hostedzone")
	group := func(where string, sets ...string) string {
		return `{` + where + `"RecordSets": [` + strings.Join(sets, ", ") + `]}`
	}
	byID := `"HostedZoneId": "` + zone + `", `
	alias := func(kind string) string {
		return `{"Name": "api.example.com", "Type": "` + kind + `", "AliasTarget": {"HostedZoneId": "Z1UJRXOUMOOFQ8", "DNSName": "d-1.execute-api.us-east-1.amazonaws.com"}}`
	}
	const a = `{"Name": "a.example.com", "Type": "A", "TTL": "60", "ResourceRecords": ["192.0.2.1"]}`
	g := stack.Create(groupType, "RecordSetGroup0cf6d58763", group(byID, alias("A"), alias("AAAA")))
	if !strings.HasPrefix(g.PhysicalID, "stack-RecordSetGroup0cf6d58763-") {
		t.Errorf("physical id %s", g.PhysicalID)
	}
	want := func(zone, want string) {
		t.Helper()
		if got := s.records(t, ctx, zone); got != want {
			t.Errorf("records\n%swant\n%s", got, want)
		}
	}
	const target = " alias Z1UJRXOUMOOFQ8 d-1.execute-api.us-east-1.amazonaws.com. false\n"
	want(zone, "api.example.com. A"+target+"api.example.com. AAAA"+target)
	stack.Found(g)
	stack.Refused(groupType, group(byID, a, alias("A")), "InvalidChangeBatch", "already exists")
	want(zone, "api.example.com. A"+target+"api.example.com. AAAA"+target) // all or nothing

	stack.Update(g, group(byID, alias("A"), a))
	want(zone, "a.example.com. A 60 192.0.2.1\napi.example.com. A"+target)
	stack.Update(g, group(byID, strings.Replace(a, "60", "61", 1)))
	want(zone, "a.example.com. A 61 192.0.2.1\n")
	if err := s.apply(ctx, zone, "UPSERT", set("theirs.example.com", "A", 5, "192.0.2.9")); err != nil {
		t.Fatal(err)
	}
	wantError(t, stack.TryUpdate(g, group(byID, a, `{"Name": "theirs.example.com", "Type": "A", "TTL": "1", "ResourceRecords": ["192.0.2.1"]}`)), "InvalidChangeBatch", "already exists")
	want(zone, "a.example.com. A 61 192.0.2.1\ntheirs.example.com. A 5 192.0.2.9\n")
	stack.Replaces(groupType, true, "HostedZoneId", "HostedZoneName")
	stack.Replaces(groupType, false, "RecordSets", "Comment")
	stack.Delete(g)
	want(zone, "theirs.example.com. A 5 192.0.2.9\n")

	// A zone per record set.
	g = stack.Create(groupType, "Group", group("",
		strings.Replace(a, "{", `{"HostedZoneName": "example.com", `, 1),
		strings.Replace(strings.Replace(a, ".com", ".org", 1), "{", `{"HostedZoneId": "`+other+`", `, 1)))
	want(zone, "a.example.com. A 60 192.0.2.1\ntheirs.example.com. A 5 192.0.2.9\n")
	want(other, "a.example.org. A 60 192.0.2.1\n")
	stack.Found(g)
	stack.Delete(g)
	want(other, "")

	stack.Refused(groupType, group(byID, strings.Replace(a, "{", `{"HostedZoneName": "example.com", `, 1)), "", "not for both")
	stack.Refused(groupType, group(byID, strings.Replace(a, "{", `{"Failover": "PRIMARY", `, 1)), "", "Failover is not built")
	stack.Refused(groupType, group(byID, strings.Replace(a, "{", `{"Failure": "PRIMARY", `, 1)), "", "Encountered unsupported property Failure")
	stack.Refused(groupType, group(byID, `{"Name": "a.example.com"}`), "", "Property Type cannot be empty.")
}
