package zones

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign/call"
	"countersign/store"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

func setUp(t testing.TB) (*Service, context.Context) {
	t.Helper()
	return setUpOn(storetest.New(t))
}

func setUpOn(s store.Store) (*Service, context.Context) {
	return New(Config{Store: s, Now: time.Now, Rand: rand.Reader}), as("000000000000")
}

func as(account string) context.Context {
	return call.With(context.Background(), call.Call{Account: account, Region: "us-east-1"})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) || coded.ErrorCode() != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want %s with %q", err, code, text)
	}
}

func (s *Service) make(t testing.TB, ctx context.Context, zone string) string {
	t.Helper()
	return *must(s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &zone, CallerReference: aws.String("ref " + zone)}))(t).HostedZone.Id
}

func set(name, kind string, ttl int64, values ...string) *types.ResourceRecordSet {
	out := &types.ResourceRecordSet{Name: &name, Type: types.RRType(kind), TTL: &ttl}
	for _, v := range values {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: &v})
	}
	return out
}

func aliasTo(name, kind, target string) *types.ResourceRecordSet {
	return &types.ResourceRecordSet{Name: &name, Type: types.RRType(kind), AliasTarget: &types.AliasTarget{DNSName: &target, HostedZoneId: aws.String("Z1UJRXOUMOOFQ8")}}
}

func (s *Service) apply(ctx context.Context, zone string, changes ...any) error {
	batch := &types.ChangeBatch{}
	for i := 0; i < len(changes); i += 2 {
		batch.Changes = append(batch.Changes, types.Change{Action: types.ChangeAction(changes[i].(string)), ResourceRecordSet: changes[i+1].(*types.ResourceRecordSet)})
	}
	_, err := s.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: batch})
	return err
}

func (s *Service) list(t testing.TB, ctx context.Context, zone string) string {
	t.Helper()
	var lines []string
	for _, r := range must(s.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &zone}))(t).ResourceRecordSets {
		lines = append(lines, *r.Name+" "+string(r.Type))
	}
	return strings.Join(lines, "|")
}

func TestZoneLife(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	made := must(s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("Example.com"), CallerReference: aws.String("one"), HostedZoneConfig: &types.HostedZoneConfig{Comment: aws.String("first")}}))(t)
	id := *made.HostedZone.Id
	if !strings.HasPrefix(id, "/hostedzone/Z") || *made.HostedZone.Name != "example.com." || *made.HostedZone.ResourceRecordSetCount != 2 || len(made.DelegationSet.NameServers) != 4 || made.ChangeInfo.Status != types.ChangeStatusPending {
		t.Errorf("made %+v", made)
	}
	if got := must(s.GetChange(ctx, &route53.GetChangeInput{Id: made.ChangeInfo.Id}))(t); got.ChangeInfo.Status != types.ChangeStatusInsync {
		t.Errorf("the change is %s", got.ChangeInfo.Status)
	}
	_, err := s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("other.com"), CallerReference: aws.String("one")})
	wantError(t, err, "HostedZoneAlreadyExists", "one")
	_, err = s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("EXAMPLE.com."), CallerReference: aws.String("two")})
	wantError(t, err, "ConflictingDomainExists", "example.com.")
	_, err = s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("private.com"), CallerReference: aws.String("three"), HostedZoneConfig: &types.HostedZoneConfig{PrivateZone: true}})
	wantError(t, err, "InvalidInput", "not built")
	for _, bad := range []string{"", ".", "a..b", strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 128) + "com", `a\9.com`} {
		_, err := s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &bad, CallerReference: &bad})
		wantError(t, err, "InvalidDomainName", "not a valid domain name")
	}
	if err := s.apply(ctx, id, "CREATE", set("www.example.com", "A", 60, "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: &id})
	wantError(t, err, "HostedZoneNotEmpty", "non-required")
	if err := s.apply(ctx, id, "DELETE", set("www.example.com", "A", 60, "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	must(s.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: &id}))(t)
	_, err = s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id})
	wantError(t, err, "NoSuchHostedZone", "No hosted zone found with ID: Z")
	// Name and caller reference are free again.
	id = s.make(t, ctx, "example.com")
	_, err = s.GetHostedZone(as("111111111111"), &route53.GetHostedZoneInput{Id: &id})
	wantError(t, err, "NoSuchHostedZone", "No hosted zone")
}

func TestRecordSets(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	id := s.make(t, ctx, "example.com")
	err := s.apply(ctx, id,
		"CREATE", set("b.example.com", "A", 60, "192.0.2.1", "192.0.2.2"),
		"CREATE", set("a.b.example.com", "CNAME", 60, "b.example.com"),
		"CREATE", set("*.example.com", "TXT", 60, `"one" "two"`),
		"CREATE", set("b-c.example.com", "MX", 60, "10 mail.example.com"),
		"UPSERT", set("b.example.com", "AAAA", 60, "2001:db8::1"),
		"CREATE", aliasTo("example.com", "A", "d-1234567890.execute-api.us-east-1.amazonaws.com"))
	if err != nil {
		t.Fatal(err)
	}
	// By labels from the right, a parent before its children, then by type.
	want := `example.com. A|example.com. NS|example.com. SOA|\052.example.com. TXT|b.example.com. A|b.example.com. AAAA|a.b.example.com. CNAME|b-c.example.com. MX`
	if got := s.list(t, ctx, id); got != want {
		t.Errorf("listed\n got %s\nwant %s", got, want)
	}
	if got := *must(s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id}))(t).HostedZone.ResourceRecordSetCount; got != 8 {
		t.Errorf("the zone counts %d record sets, want 8", got)
	}
	// In pages of three, each starting where the last said.
	var pages []string
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: &id, MaxItems: aws.Int32(3)}
	for {
		out := must(s.ListResourceRecordSets(ctx, in))(t)
		for _, r := range out.ResourceRecordSets {
			pages = append(pages, *r.Name+" "+string(r.Type))
		}
		if !out.IsTruncated {
			break
		}
		in.StartRecordName, in.StartRecordType = out.NextRecordName, out.NextRecordType
	}
	if got := strings.Join(pages, "|"); got != want {
		t.Errorf("in pages\n got %s\nwant %s", got, want)
	}

	dns := must(s.Compile(ctx))(t)
	zone := dns.Zones["example.com."]
	if zone == nil || len(zone.Sets) != 8 || zone.Sets[0].Alias != "d-1234567890.execute-api.us-east-1.amazonaws.com." || zone.Sets[3].Name != "*.example.com." {
		t.Errorf("compiled %+v", zone)
	}
	for name, want := range map[string]string{"a.b.example.com.": "b.example.com.", "A.B.EXAMPLE.com": "b.example.com.", "b.example.com": "", "none.example.com": ""} {
		if got, ours, err := s.LookupCNAME(ctx, name); got != want || !ours || err != nil {
			t.Errorf("CNAME of %s: %q, ours %v, %v; want %q", name, got, ours, err, want)
		}
	}
	if _, ours, _ := s.LookupCNAME(ctx, "example.org"); ours {
		t.Error("a name of no zone here is ours")
	}
}

func TestBatchIsAtomic(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	id := s.make(t, ctx, "example.com")
	before := s.list(t, ctx, id)
	for _, test := range []struct {
		name, text string
		changes    []any
	}{
		{"exists", "Tried to create resource record set [name='a.example.com.', type='A'] but it already exists", []any{"CREATE", set("a.example.com", "A", 60, "192.0.2.1"), "CREATE", set("A.example.com.", "A", 60, "192.0.2.2")}},
		{"missing", "but it was not found", []any{"CREATE", set("a.example.com", "A", 60, "192.0.2.1"), "DELETE", set("b.example.com", "A", 60, "192.0.2.1")}},
		{"other values", "do not match the current values", []any{"CREATE", set("a.example.com", "A", 60, "192.0.2.1"), "DELETE", set("a.example.com", "A", 61, "192.0.2.1")}},
		{"outside the zone", "is not permitted in zone example.com.", []any{"CREATE", set("a.example.org", "A", 60, "192.0.2.1")}},
		{"suffix without a dot", "is not permitted in zone example.com.", []any{"CREATE", set("notexample.com", "A", 60, "192.0.2.1")}},
		{"not an address", "ARRDATAIllegalIPv4Address", []any{"CREATE", set("a.example.com", "A", 60, "2001:db8::1")}},
		{"not quoted", "enclosed in quotation marks", []any{"CREATE", set("a.example.com", "TXT", 60, "plain")}},
		{"two lines", "line break", []any{"CREATE", set("a.example.com", "TXT", 60, "\"a\"\nb IN A 192.0.2.1")}},
		{"directive", "InvalidRData", []any{"CREATE", set("a.example.com", "MX", 60, "10 mail ; comment ) (")}},
		{"CNAME at the apex", "not permitted at apex", []any{"CREATE", set("example.com", "CNAME", 60, "b.example.com")}},
		{"CNAME beside another", "conflicting RRSet", []any{"CREATE", set("a.example.com", "A", 60, "192.0.2.1"), "CREATE", set("a.example.com", "CNAME", 60, "b.example.com")}},
		{"two CNAMEs", "CNAMERecordHasMultipleValues", []any{"CREATE", set("a.example.com", "CNAME", 60, "b.example.com", "c.example.com")}},
		{"value twice", "Duplicate Resource Record", []any{"CREATE", set("a.example.com", "A", 60, "192.0.2.1", "192.0.2.1")}},
		{"no TTL and no alias", "found none", []any{"CREATE", &types.ResourceRecordSet{Name: aws.String("a.example.com"), Type: types.RRTypeA}}},
		{"alias and TTL", "found more than one", []any{"CREATE", &types.ResourceRecordSet{Name: aws.String("a.example.com"), Type: types.RRTypeA, TTL: aws.Int64(1), AliasTarget: &types.AliasTarget{DNSName: aws.String("b.com"), HostedZoneId: aws.String("Z")}}}},
		{"apex SOA deleted", "at least one NS record and one SOA record", []any{"DELETE", set("example.com", "SOA", 900, "ns1.countersign.invalid. hostmaster.example.com. 1 7200 900 1209600 86400")}},
		{"negative TTL", "Invalid TTL", []any{"CREATE", set("a.example.com", "A", -1, "192.0.2.1")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := s.apply(ctx, id, test.changes...)
			wantError(t, err, "InvalidChangeBatch", test.text)
			if got := s.list(t, ctx, id); got != before {
				t.Errorf("a refused batch left %s", got)
			}
		})
	}
	wantError(t, s.apply(ctx, id, "CREATE", &types.ResourceRecordSet{Name: aws.String("a.example.com"), Type: types.RRTypeA, SetIdentifier: aws.String("x"), Weight: aws.Int64(1)}), "InvalidInput", "routing policy")
	wantError(t, s.apply(ctx, "Z0", "CREATE", set("a.example.com", "A", 60, "192.0.2.1")), "NoSuchHostedZone", "Z0")
	// A batch may replace one type by another, in the order of its changes.
	if err := s.apply(ctx, id, "CREATE", set("a.example.com", "A", 60, "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if err := s.apply(ctx, id, "DELETE", set("a.example.com", "A", 60, "192.0.2.1"), "CREATE", set("a.example.com", "CNAME", 60, "b.example.com")); err != nil {
		t.Errorf("replacing an A by a CNAME: %v", err)
	}
}

func TestEveryType(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	id := s.make(t, ctx, "example.com")
	for kind, value := range map[string]string{
		"A": "192.0.2.1", "AAAA": "2001:db8::1", "CAA": `0 issue "ca.example.net"`, "CNAME": "b.example.com.", "MX": "10 mail.example.com.",
		"DS":    "12345 13 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789",
		"HTTPS": "1 . alpn=h2", "NAPTR": `100 50 "u" "sip+E2U" "!^.*$!sip:info@example.com!" .`, "NS": "ns.example.net.", "PTR": "host.example.com.",
		"SPF": `"v=spf1 -all"`, "SRV": "1 10 5269 xmpp.example.com.", "SSHFP": "2 1 123456789abcdef67890123456789abcdef67890", "SVCB": "1 svc.example.com. port=8443",
		"TLSA": "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "TXT": `"a \"quoted\" text"`,
	} {
		name := strings.ToLower(kind) + ".example.com"
		if err := s.apply(ctx, id, "UPSERT", set(name, kind, 60, value)); err != nil {
			t.Errorf("%s %q: %v", kind, value, err)
		}
		if err := s.apply(ctx, id, "UPSERT", set(name, kind, 60, value+" \x01\"")); err == nil {
			t.Errorf("%s took a broken value", kind)
		}
	}
	if got := must(s.Compile(ctx))(t); len(got.Zones["example.com."].Sets) != 18 {
		t.Errorf("compiled %d sets", len(got.Zones["example.com."].Sets))
	}
}

func TestListByNameAndTags(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	ids := map[string]string{}
	for _, z := range []string{"b.org", "a.example.com", "example.com", "c.org"} {
		ids[z] = s.make(t, ctx, z)
	}
	var names []string
	in := &route53.ListHostedZonesByNameInput{MaxItems: aws.Int32(3)}
	for {
		out := must(s.ListHostedZonesByName(ctx, in))(t)
		for _, z := range out.HostedZones {
			names = append(names, *z.Name)
		}
		if !out.IsTruncated {
			break
		}
		in.DNSName, in.HostedZoneId = out.NextDNSName, out.NextHostedZoneId
	}
	if got := strings.Join(names, " "); got != "example.com. a.example.com. b.org. c.org." {
		t.Errorf("by name: %s", got)
	}
	if got := *must(s.GetHostedZoneCount(ctx, nil))(t).HostedZoneCount; got != 4 {
		t.Errorf("%d zones", got)
	}
	listed := 0
	for page := (&route53.ListHostedZonesInput{MaxItems: aws.Int32(3)}); ; {
		out := must(s.ListHostedZones(ctx, page))(t)
		listed += len(out.HostedZones)
		if !out.IsTruncated {
			break
		}
		page.Marker = out.NextMarker
	}
	if listed != 4 {
		t.Errorf("%d zones in pages", listed)
	}
	id := bareID(ids["b.org"], "hostedzone")
	must(s.ChangeTagsForResource(ctx, &route53.ChangeTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone", AddTags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))(t)
	must(s.ChangeTagsForResource(ctx, &route53.ChangeTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone", RemoveTagKeys: []string{"a"}}))(t)
	system := &route53.ChangeTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone", AddTags: []types.Tag{{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("s")}}}
	_, err := s.ChangeTagsForResource(ctx, system)
	wantError(t, err, "InvalidInput", "reserved")
	stack := call.Through(ctx, call.CloudFormation)
	must(s.ChangeTagsForResource(stack, system))(t)
	_, err = s.ChangeTagsForResource(ctx, &route53.ChangeTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone", RemoveTagKeys: []string{"aws:cloudformation:stack-name"}})
	wantError(t, err, "InvalidInput", "reserved")
	must(s.ChangeTagsForResource(stack, &route53.ChangeTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone", RemoveTagKeys: []string{"aws:cloudformation:stack-name"}}))(t)
	if got := must(s.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceId: &id, ResourceType: "hostedzone"}))(t).ResourceTagSet.Tags; len(got) != 1 || *got[0].Key != "b" {
		t.Errorf("tags %+v", got)
	}
	must(s.UpdateHostedZoneComment(ctx, &route53.UpdateHostedZoneCommentInput{Id: &id, Comment: aws.String("new")}))(t)
	if got := must(s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id}))(t); *got.HostedZone.Config.Comment != "new" {
		t.Errorf("comment %+v", got.HostedZone.Config)
	}
}

func TestConcurrentBatches(t *testing.T) {
	t.Parallel()
	s, ctx := setUp(t)
	id := s.make(t, ctx, "example.com")
	const writers = 8
	errs := make(chan error, writers)
	for n := range writers {
		go func() {
			var err error
			for range 20 { // a busy zone is an answer; the caller tries again
				err = s.apply(ctx, id, "UPSERT", set(fmt.Sprintf("n%d.example.com", n), "A", 60, "192.0.2.1"))
				var prior *types.PriorRequestNotComplete
				if !errors.As(err, &prior) {
					break
				}
			}
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := *must(s.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &id}))(t).HostedZone.ResourceRecordSetCount; got != writers+2 {
		t.Errorf("the zone counts %d record sets, want %d", got, writers+2)
	}
}

func TestFailedWriteIsInternal(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk full")
	s, ctx := setUpOn(storetest.FailBefore(storetest.New(t), func(*store.Batch) error { return broken }))
	_, err := s.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("example.com"), CallerReference: aws.String("x")})
	var coded smithy.APIError
	if !errors.Is(err, broken) || errors.As(err, &coded) {
		t.Errorf("got %v; a failing disk is an internal error", err)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"example.com", "*.example.com.", `\052.a`, `a\040b.c`, "..", "\xff.com", strings.Repeat("a.", 130)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseName(text)
		if err != nil {
			return
		}
		again, err := parseName(n.String())
		if err != nil || again != n {
			t.Errorf("%q became %q, which became %q, %v", text, n, again, err)
		}
		n.presentation()
		n.sortKey()
	})
}

func FuzzValue(f *testing.F) {
	f.Add("MX", "10 mail.example.com.")
	f.Add("TXT", `"a" "b"`)
	f.Add("HTTPS", "1 . alpn=h2")
	f.Add("NAPTR", "( ; $INCLUDE /etc/passwd")
	f.Fuzz(func(t *testing.T, kind, value string) {
		if !recordTypes[kind] || checkValue("a.example.com.", kind, value) != "" {
			return
		}
		if _, err := parseValue("a.example.com.", kind, value); err != nil {
			t.Errorf("%s %q was accepted and cannot be served: %v", kind, value, err)
		}
	})
}
