package zones

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"countersign/service/stacks/resource"
)

type recordSetProperties struct {
	Name            string       `cfn:"required,replace"`
	Type            types.RRType `cfn:"required"`
	TTL             *int64
	ResourceRecords []string
	AliasTarget     *types.AliasTarget
	HostedZoneId    string `cfn:"replace"`
	HostedZoneName  string `cfn:"replace"`
	Comment         *string
}

func (p *recordSetProperties) placed() []placedSet {
	r := groupedSet{Name: p.Name, Type: p.Type, TTL: p.TTL, ResourceRecords: p.ResourceRecords, AliasTarget: p.AliasTarget}
	return []placedSet{{p.HostedZoneId, p.HostedZoneName, r.sdk()}}
}

// A placedSet is a record set with the zone that it is for.
type placedSet struct {
	zoneID, zoneName string
	set              *types.ResourceRecordSet
}

func oneZone(id, name string) []resource.Problem {
	if id != "" && name != "" {
		return []resource.Problem{{Message: "Only one of HostedZoneId and HostedZoneName can be given"}}
	}
	return nil
}

// recordSets is AWS::Route53::RecordSet.
type recordSets struct{ *Service }

func (s recordSets) create(ctx context.Context, c *resource.Change[recordSetProperties]) (resource.Result, error) {
	// What is there already is somebody's, unless an earlier attempt made it.
	if err := s.bring(ctx, c.PhysicalID != "", nil, c.Properties.placed(), c.Properties.Comment); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: c.Properties.Name}, nil
}

func (s recordSets) update(ctx context.Context, c *resource.Change[recordSetProperties]) (resource.Result, error) {
	if err := s.bring(ctx, false, c.Old.placed(), c.Properties.placed(), c.Properties.Comment); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: c.PhysicalID}, nil
}

func (s recordSets) delete(ctx context.Context, c *resource.Change[recordSetProperties]) error {
	return unlessGone(s.bring(ctx, false, c.Properties.placed(), nil, nil))
}

func (s recordSets) find(ctx context.Context, c *resource.Change[recordSetProperties]) (string, error) {
	there, err := s.allThere(ctx, c.Properties.placed())
	if !there {
		return "", err
	}
	return c.Properties.Name, nil
}

type groupProperties struct {
	HostedZoneId   string `cfn:"replace"`
	HostedZoneName string `cfn:"replace"`
	RecordSets     []groupedSet
	Comment        *string
}

type groupedSet struct {
	Name            string       `cfn:"required"`
	Type            types.RRType `cfn:"required"`
	TTL             *int64
	ResourceRecords []string
	AliasTarget     *types.AliasTarget
	HostedZoneId    string
	HostedZoneName  string
}

func (p *groupedSet) sdk() *types.ResourceRecordSet {
	out := &types.ResourceRecordSet{Name: &p.Name, Type: p.Type, TTL: p.TTL, AliasTarget: p.AliasTarget}
	for _, v := range p.ResourceRecords {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: &v})
	}
	return out
}

func checkGroup(p *groupProperties) []resource.Problem {
	problems := oneZone(p.HostedZoneId, p.HostedZoneName)
	for i, r := range p.RecordSets {
		path := []string{"RecordSets", fmt.Sprint(i)}
		if (p.HostedZoneId != "" || p.HostedZoneName != "") && (r.HostedZoneId != "" || r.HostedZoneName != "") {
			problems = append(problems, resource.Problem{Path: path, Message: "The hosted zone can be given for the group or for the record set, not for both"})
		}
		for _, b := range oneZone(r.HostedZoneId, r.HostedZoneName) {
			problems = append(problems, resource.Problem{Path: path, Message: b.Message})
		}
	}
	return problems
}

func (p *groupProperties) placed() (out []placedSet) {
	for _, r := range p.RecordSets {
		id, name := r.HostedZoneId, r.HostedZoneName
		if id == "" && name == "" {
			id, name = p.HostedZoneId, p.HostedZoneName
		}
		out = append(out, placedSet{id, name, r.sdk()})
	}
	return out
}

// recordSetGroups is AWS::Route53::RecordSetGroup.
type recordSetGroups struct{ *Service }

func (s recordSetGroups) create(ctx context.Context, c *resource.Change[groupProperties]) (resource.Result, error) {
	if err := s.bring(ctx, c.PhysicalID != "", nil, c.Properties.placed(), c.Properties.Comment); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: c.Name(128)}, nil
}

func (s recordSetGroups) update(ctx context.Context, c *resource.Change[groupProperties]) (resource.Result, error) {
	if err := s.bring(ctx, false, c.Old.placed(), c.Properties.placed(), c.Properties.Comment); err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: c.PhysicalID}, nil
}

func (s recordSetGroups) delete(ctx context.Context, c *resource.Change[groupProperties]) error {
	return unlessGone(s.bring(ctx, false, c.Properties.placed(), nil, nil))
}

func (s recordSetGroups) find(ctx context.Context, c *resource.Change[groupProperties]) (string, error) {
	there, err := s.allThere(ctx, c.Properties.placed())
	if !there {
		return "", err
	}
	return c.Name(128), nil
}

// bring changes zones so that, of the record sets of a resource, those that now
// are there are as they are in now, and those that were only in old are gone. A record set that a creation
// finds in its way is an error, unless adopt. Every zone is changed at once, or not at all; when all is as it should
// be nothing is written.
func (s *Service) bring(ctx context.Context, adopt bool, old, now []placedSet, comment *string) error {
	batches := map[string][]types.Change{}
	var order []string // of zones, so that attempts do the same
	add := func(zone string, action types.ChangeAction, set *types.ResourceRecordSet) {
		if batches[zone] == nil {
			order = append(order, zone)
		}
		batches[zone] = append(batches[zone], types.Change{Action: action, ResourceRecordSet: set})
	}
	wanted, err := s.resolve(ctx, now, false)
	if err != nil {
		return err
	}
	was, err := s.resolve(ctx, old, true)
	if err != nil {
		return err
	}
	for _, p := range was {
		if there, err := s.there(ctx, p); err != nil {
			return err
		} else if there != nil && !contains(wanted, p) {
			add(p.zoneID, types.ChangeActionDelete, p.set)
		}
	}
	for _, p := range wanted {
		there, err := s.there(ctx, p)
		if err != nil {
			return err
		}
		switch known := adopt || contains(was, p); {
		case there != nil && same(there, p.set) && (known || old != nil):
		case known:
			add(p.zoneID, types.ChangeActionUpsert, p.set)
		default:
			add(p.zoneID, types.ChangeActionCreate, p.set)
		}
	}
	for _, zone := range order {
		_, err := resource.Do(ctx, s.ChangeResourceRecordSets, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: &zone, ChangeBatch: &types.ChangeBatch{Comment: comment, Changes: batches[zone]},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resolve finds the zones that are given by name. Sets of zones that are gone
// are left out, or an error.
func (s *Service) resolve(ctx context.Context, sets []placedSet, gone bool) ([]placedSet, error) {
	var out []placedSet
	for _, p := range sets {
		switch {
		case p.zoneID != "":
			p.zoneID = bareID(p.zoneID, "hostedzone")
		case p.zoneName != "":
			id, err := s.zoneNamed(ctx, p.zoneName)
			if gone && resource.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			p.zoneID = id
		default:
			return nil, invalidInput("One of HostedZoneId and HostedZoneName is required for the record set %s", aws.ToString(p.set.Name))
		}
		out = append(out, p)
	}
	return out, nil
}

// zoneNamed is the id of the zone with a name. Route 53 wants the dot at its end; it may be left out here.
func (s *Service) zoneNamed(ctx context.Context, text string) (string, error) {
	n, err := parseName(text)
	if err != nil {
		return "", invalidInput("%v", err)
	}
	out, err := resource.Do(ctx, s.ListHostedZonesByName, &route53.ListHostedZonesByNameInput{DNSName: &text, MaxItems: aws.Int32(1)})
	if err != nil {
		return "", err
	}
	if len(out.HostedZones) == 0 || *out.HostedZones[0].Name != n.String() {
		return "", &types.NoSuchHostedZone{Message: aws.String("No hosted zones named " + text + " found")}
	}
	return bareID(*out.HostedZones[0].Id, "hostedzone"), nil
}

// there reads the record set of the same zone, name and type; nil if there is none, or no such zone.
func (s *Service) there(ctx context.Context, p placedSet) (*types.ResourceRecordSet, error) {
	out, err := resource.Do(ctx, s.ListResourceRecordSets, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &p.zoneID, StartRecordName: p.set.Name, StartRecordType: p.set.Type, MaxItems: aws.Int32(1),
	})
	if err != nil || len(out.ResourceRecordSets) == 0 {
		return nil, unlessGone(err)
	}
	if r := &out.ResourceRecordSets[0]; r.Type == p.set.Type && sameName(*r.Name, *p.set.Name) {
		return r, nil
	}
	return nil, nil
}

// allThere reports whether all record sets exist as they are to be.
func (s *Service) allThere(ctx context.Context, sets []placedSet) (bool, error) {
	sets, err := s.resolve(ctx, sets, false)
	if err != nil || len(sets) == 0 {
		return false, unlessGone(err)
	}
	for _, p := range sets {
		if there, err := s.there(ctx, p); err != nil || there == nil || !same(there, p.set) {
			return false, err
		}
	}
	return true, nil
}

func contains(sets []placedSet, p placedSet) bool {
	for _, q := range sets {
		if q.zoneID == p.zoneID && q.set.Type == p.set.Type && sameName(*q.set.Name, *p.set.Name) {
			return true
		}
	}
	return false
}

func sameName(a, b string) bool {
	x, err := parseName(a)
	if err != nil {
		return false
	}
	y, err := parseName(b)
	return err == nil && x == y
}

// same reports whether two record sets of one name and type are the same; the
// order of values does not count.
func same(a, b *types.ResourceRecordSet) bool {
	if aws.ToInt64(a.TTL) != aws.ToInt64(b.TTL) || (a.AliasTarget == nil) != (b.AliasTarget == nil) {
		return false
	}
	if t, u := a.AliasTarget, b.AliasTarget; t != nil {
		return sameName(aws.ToString(t.DNSName), aws.ToString(u.DNSName)) && bareID(aws.ToString(t.HostedZoneId), "hostedzone") == bareID(aws.ToString(u.HostedZoneId), "hostedzone") &&
			t.EvaluateTargetHealth == u.EvaluateTargetHealth
	}
	return slices.Equal(values(a), values(b))
}

func values(r *types.ResourceRecordSet) (out []string) {
	for _, v := range r.ResourceRecords {
		out = append(out, aws.ToString(v.Value))
	}
	slices.Sort(out)
	return out
}
