package zones

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// Limits of one change batch, as on AWS.
const (
	maxChanges = 1000
	maxValues  = 400 // records of one set
	maxTTL     = 1<<31 - 1
)

// ChangeResourceRecordSets applies a batch whole or not at all. A fault in any
// change refuses it, and the answer names every fault.
func (s *Service) ChangeResourceRecordSets(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	if in.ChangeBatch == nil || len(in.ChangeBatch.Changes) == 0 {
		return nil, invalidInput("The change batch holds no change")
	}
	if len(in.ChangeBatch.Changes) > maxChanges {
		return nil, invalidInput("Number of records limit of %d exceeded.", maxChanges)
	}
	var info *types.ChangeInfo
	_, err := s.editZone(ctx, aws.ToString(in.HostedZoneId), func(z *zone, b *store.Batch) error {
		w := &working{zone: *z, read: func(key string) (recordSet, bool, error) { return s.getSet(ctx, key) }, sets: map[string]*recordSet{}}
		for _, c := range in.ChangeBatch.Changes {
			if err := w.apply(c); err != nil {
				return err
			}
		}
		if err := w.checkCNAMEs(ctx, s); err != nil {
			return err
		}
		if len(w.faults) > 0 {
			return invalidBatch(w.faults)
		}
		for key, set := range w.sets {
			if set == nil {
				b.Delete(KindRecordSet, key)
			} else {
				b.Put(KindRecordSet, key, encode(*set))
			}
		}
		z.Sets += w.added
		var err error
		info, err = s.change(ctx, b, aws.ToString(in.ChangeBatch.Comment))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: info}, nil
}

func (s *Service) getSet(ctx context.Context, key string) (recordSet, bool, error) {
	r, err := s.store.Get(ctx, KindRecordSet, key)
	if errors.Is(err, store.ErrNotFound) {
		return recordSet{}, false, nil
	}
	if err != nil {
		return recordSet{}, false, err
	}
	set, err := decode[recordSet](r)
	return set, err == nil, err
}

// working is a zone while a batch is applied to it in memory.
type working struct {
	zone   zone
	read   func(key string) (recordSet, bool, error)
	sets   map[string]*recordSet // what the batch changed, by key; nil: deleted
	added  int64
	faults []string
	names  map[name]bool // names that got a record
}

func (w *working) current(key string) (*recordSet, error) {
	if set, ok := w.sets[key]; ok {
		return set, nil
	}
	set, ok, err := w.read(key)
	if err != nil || !ok {
		return nil, err
	}
	return &set, nil
}

func (w *working) fault(format string, args ...any) error {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
	return nil
}

// apply carries out one change in memory, or notes what is wrong with it. An
// error is one of ours, or of a feature that is not built.
func (w *working) apply(c types.Change) error {
	if c.ResourceRecordSet == nil {
		return invalidInput("A change holds no resource record set")
	}
	if err := unsupportedSet(c.ResourceRecordSet); err != nil {
		return err
	}
	set, fault := newRecordSet(w.zone, c.ResourceRecordSet)
	if fault != "" {
		return w.fault("%s", fault)
	}
	key := setKey(w.zone.ID, set.Name, set.Type)
	old, err := w.current(key)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("[name='%s', type='%s']", set.Name, set.Type)
	apex := set.Name == w.zone.Name && (set.Type == "SOA" || set.Type == "NS")
	switch c.Action {
	case types.ChangeActionCreate:
		if old != nil {
			return w.fault("Tried to create resource record set %s but it already exists", what)
		}
	case types.ChangeActionDelete:
		switch {
		case old == nil:
			return w.fault("Tried to delete resource record set %s but it was not found", what)
		case !old.equal(set):
			return w.fault("Tried to delete resource record set %s but the values provided do not match the current values", what)
		case apex:
			return w.fault("A HostedZone must contain at least one NS record and one SOA record for the zone itself; %s cannot be deleted", what)
		}
		w.sets[key] = nil
		w.added--
		return nil
	case types.ChangeActionUpsert:
	default:
		return invalidInput("Unknown action %q: want CREATE, DELETE or UPSERT", c.Action)
	}
	if old == nil {
		w.added++
	}
	w.sets[key] = &set
	if w.names == nil {
		w.names = map[name]bool{}
	}
	w.names[set.Name] = true
	return nil
}

// checkCNAMEs demands that a name with a CNAME has nothing else (RFC 1034
// section 3.6.2), and that the apex, which has SOA and NS, has none.
func (w *working) checkCNAMEs(ctx context.Context, s *Service) error {
	for n := range w.names {
		prefix := w.zone.ID + "/" + n.sortKey() + "\x00"
		types := map[string]bool{}
		stored, err := s.store.List(ctx, KindRecordSet, prefix, "", 0)
		if err != nil {
			return fmt.Errorf("list the records of %s: %w", n, err)
		}
		for _, r := range stored {
			types[strings.TrimPrefix(r.Key, prefix)] = true
		}
		for key, set := range w.sets {
			if kind, ok := strings.CutPrefix(key, prefix); ok {
				types[kind] = set != nil
			}
		}
		count := 0
		for _, there := range types {
			if there {
				count++
			}
		}
		switch {
		case types["CNAME"] && n == w.zone.Name:
			w.fault("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", n, w.zone.Name)
		case types["CNAME"] && count > 1:
			w.fault("RRSet of type CNAME with DNS name %s is not permitted because a conflicting RRSet with the same DNS name already exists in zone %s", n, w.zone.Name)
		}
	}
	return nil
}

func unsupportedSet(r *types.ResourceRecordSet) error {
	switch {
	case r.SetIdentifier != nil, r.Weight != nil, r.Region != "", r.Failover != "", r.GeoLocation != nil, r.GeoProximityLocation != nil, r.MultiValueAnswer != nil, r.CidrRoutingConfig != nil:
		return notBuilt("a routing policy (SetIdentifier, Weight, Region, Failover, GeoLocation, MultiValueAnswer)")
	case r.HealthCheckId != nil:
		return notBuilt("a health check (HealthCheckId)")
	case r.TrafficPolicyInstanceId != nil:
		return notBuilt("a traffic policy (TrafficPolicyInstanceId)")
	}
	return nil
}

// newRecordSet reads and checks a record set; fault says what is wrong with it.
func newRecordSet(z zone, r *types.ResourceRecordSet) (set recordSet, fault string) {
	n, err := parseName(aws.ToString(r.Name))
	if err != nil {
		return set, err.Error()
	}
	set = recordSet{Name: n, Type: string(r.Type)}
	if !n.within(z.Name) {
		return set, fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", n, z.Name)
	}
	invalid := func(why string) (recordSet, string) {
		return set, fmt.Sprintf("Invalid Resource Record: '%s' for the record set [name='%s', type='%s']", why, n, set.Type)
	}
	if !recordTypes[set.Type] {
		return invalid("FATAL problem: UnsupportedType")
	}
	if set.Type == "SOA" && n != z.Name {
		return invalid("FATAL problem: SOARecordMustBeAtApex")
	}
	if t := r.AliasTarget; t != nil {
		if len(r.ResourceRecords) > 0 || r.TTL != nil {
			return set, fmt.Sprintf("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]], but found more than one in Change with [Name='%s', Type='%s']", n, set.Type)
		}
		if set.Type == "NS" || set.Type == "SOA" {
			return invalid("FATAL problem: AliasNotAllowedForType")
		}
		target, err := parseName(aws.ToString(t.DNSName))
		if err != nil {
			return set, err.Error()
		}
		zone := bareID(aws.ToString(t.HostedZoneId), "hostedzone")
		if zone == z.ID && target == n {
			return invalid("FATAL problem: AliasTargetIsItself")
		}
		set.Alias = &alias{Name: target, Zone: zone, EvaluateTargetHealth: t.EvaluateTargetHealth}
		return set, ""
	}
	if len(r.ResourceRecords) == 0 || r.TTL == nil {
		return set, fmt.Sprintf("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]], but found none in Change with [Name='%s', Type='%s']", n, set.Type)
	}
	if *r.TTL < 0 || *r.TTL > maxTTL {
		return set, fmt.Sprintf("Invalid TTL %d for the record set [name='%s', type='%s']: want 0 to %d", *r.TTL, n, set.Type, maxTTL)
	}
	set.TTL = uint32(*r.TTL)
	switch {
	case len(r.ResourceRecords) > maxValues:
		return invalid(fmt.Sprintf("FATAL problem: TooManyValues (%d at most)", maxValues))
	case len(r.ResourceRecords) > 1 && (set.Type == "CNAME" || set.Type == "SOA"):
		return invalid("FATAL problem: " + set.Type + "RecordHasMultipleValues")
	}
	seen := map[string]bool{}
	for _, one := range r.ResourceRecords {
		value := aws.ToString(one.Value)
		if why := checkValue(n, set.Type, value); why != "" {
			return invalid(fmt.Sprintf("FATAL problem: %s encountered with '%s'", why, value))
		}
		if seen[value] {
			return set, fmt.Sprintf("Duplicate Resource Record: '%s'", value)
		}
		seen[value] = true
		set.Values = append(set.Values, value)
	}
	return set, ""
}

// equal tells whether a DELETE names exactly what is there; the order of the
// values does not count.
func (r recordSet) equal(other recordSet) bool {
	if (r.Alias == nil) != (other.Alias == nil) || r.TTL != other.TTL || len(r.Values) != len(other.Values) {
		return false
	}
	if r.Alias != nil && *r.Alias != *other.Alias {
		return false
	}
	values := map[string]bool{}
	for _, v := range r.Values {
		values[v] = true
	}
	for _, v := range other.Values {
		if !values[v] {
			return false
		}
	}
	return true
}

// ListResourceRecordSets lists a zone's record sets by name, labels from the
// right, then by type, from a name and type on.
func (s *Service) ListResourceRecordSets(ctx context.Context, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
	z, _, err := s.getZone(ctx, aws.ToString(in.HostedZoneId))
	if err != nil {
		return nil, err
	}
	if in.StartRecordType != "" && in.StartRecordName == nil {
		return nil, invalidInput("The input is not valid: a start record type needs a start record name")
	}
	if in.StartRecordIdentifier != nil {
		return nil, notBuilt("a routing policy (StartRecordIdentifier)")
	}
	prefix := z.ID + "/"
	from := ""
	if in.StartRecordName != nil {
		n, err := parseName(*in.StartRecordName)
		if err != nil {
			return nil, invalidInput("%v", err)
		}
		from = prefix + n.sortKey()
		if in.StartRecordType != "" {
			from = setKey(z.ID, n, string(in.StartRecordType))
		}
	}
	limit := maxItems(in.MaxItems, 300)
	out := &route53.ListResourceRecordSetsOutput{MaxItems: &limit, ResourceRecordSets: []types.ResourceRecordSet{}}
	// List starts after a key: the one to start at is read apart.
	if from != "" {
		first, ok, err := s.getSet(ctx, from)
		if err != nil {
			return nil, err
		}
		if ok {
			out.ResourceRecordSets = append(out.ResourceRecordSets, first.sdk())
		}
	}
	records, err := s.store.List(ctx, KindRecordSet, prefix, from, int(limit)+1)
	if err != nil {
		return nil, fmt.Errorf("list the records of zone %s: %w", z.ID, err)
	}
	for _, r := range records {
		set, err := decode[recordSet](r)
		if err != nil {
			return nil, err
		}
		if len(out.ResourceRecordSets) == int(limit) {
			out.IsTruncated, out.NextRecordName, out.NextRecordType = true, aws.String(set.Name.String()), types.RRType(set.Type)
			break
		}
		out.ResourceRecordSets = append(out.ResourceRecordSets, set.sdk())
	}
	return out, nil
}

func (r recordSet) sdk() types.ResourceRecordSet {
	out := types.ResourceRecordSet{Name: aws.String(r.Name.String()), Type: types.RRType(r.Type)}
	if r.Alias != nil {
		out.AliasTarget = &types.AliasTarget{DNSName: aws.String(r.Alias.Name.String()), HostedZoneId: &r.Alias.Zone, EvaluateTargetHealth: r.Alias.EvaluateTargetHealth}
		return out
	}
	out.TTL = aws.Int64(int64(r.TTL))
	for _, v := range r.Values {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: &v})
	}
	return out
}
