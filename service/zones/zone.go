package zones

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// CreateHostedZone makes a public zone with its NS and SOA records. The caller
// reference makes it happen once. Unlike on AWS a name can be served by one zone
// only: there is one name server.
func (s *Service) CreateHostedZone(ctx context.Context, in *route53.CreateHostedZoneInput) (*route53.CreateHostedZoneOutput, error) {
	switch {
	case in.VPC != nil, in.HostedZoneConfig != nil && in.HostedZoneConfig.PrivateZone:
		return nil, notBuilt("a private hosted zone")
	case aws.ToString(in.DelegationSetId) != "":
		return nil, notBuilt("a reusable delegation set")
	}
	apex, err := parseName(aws.ToString(in.Name))
	if err != nil || strings.HasPrefix(string(apex), "*.") {
		return nil, &types.InvalidDomainName{Message: aws.String(fmt.Sprintf("%s is not a valid domain name", aws.ToString(in.Name)))}
	}
	id, err := s.newID("Z")
	if err != nil {
		return nil, err
	}
	z := zone{ID: id, Account: account(ctx), Name: apex, Reference: aws.ToString(in.CallerReference), Created: s.now().UTC(), Sets: 2}
	if in.HostedZoneConfig != nil {
		z.Comment = aws.ToString(in.HostedZoneConfig.Comment)
	}
	ns := recordSet{Name: apex, Type: "NS", TTL: 172800}
	for _, n := range s.nameServers {
		ns.Values = append(ns.Values, n+".")
	}
	soa := recordSet{Name: apex, Type: "SOA", TTL: 900, Values: []string{s.nameServers[0] + ". hostmaster." + string(apex) + " 1 7200 900 1209600 86400"}}

	b := new(store.Batch)
	b.Create(kindReference, z.Account+"/"+z.Reference, []byte(z.ID))
	b.Create(kindApex, string(apex), []byte(z.Account+"/"+z.ID))
	b.Create(KindZone, z.Account+"/"+z.ID, encode(z))
	for _, set := range []recordSet{ns, soa} {
		b.Create(KindRecordSet, setKey(z.ID, apex, set.Type), encode(set))
	}
	info, err := s.change(ctx, b, "")
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Commit(ctx, b); errors.Is(err, store.ErrExists) {
		return nil, s.zoneExists(ctx, z)
	} else if err != nil {
		return nil, fmt.Errorf("write hosted zone %s: %w", z.Name, err)
	}
	return &route53.CreateHostedZoneOutput{
		HostedZone: z.sdk(), ChangeInfo: info, DelegationSet: s.delegationSet(),
		Location: aws.String("https://route53.amazonaws.com/2013-04-01/hostedzone/" + z.ID),
	}, nil
}

// zoneExists tells which of the two uniqueness rules a new zone breaks.
func (s *Service) zoneExists(ctx context.Context, z zone) error {
	if _, err := s.store.Get(ctx, kindReference, z.Account+"/"+z.Reference); err == nil {
		return &types.HostedZoneAlreadyExists{Message: aws.String(fmt.Sprintf("A hosted zone has already been created with the specified caller reference: %s", z.Reference))}
	}
	return &types.ConflictingDomainExists{Message: aws.String(fmt.Sprintf("This name server already serves a hosted zone named %s; add records to it, or delete it first", z.Name))}
}

// GetHostedZone reads one zone.
func (s *Service) GetHostedZone(ctx context.Context, in *route53.GetHostedZoneInput) (*route53.GetHostedZoneOutput, error) {
	z, _, err := s.getZone(ctx, aws.ToString(in.Id))
	if err != nil {
		return nil, err
	}
	return &route53.GetHostedZoneOutput{HostedZone: z.sdk(), DelegationSet: s.delegationSet()}, nil
}

// DeleteHostedZone removes a zone that holds nothing but its NS and SOA records.
func (s *Service) DeleteHostedZone(ctx context.Context, in *route53.DeleteHostedZoneInput) (*route53.DeleteHostedZoneOutput, error) {
	z, revision, err := s.getZone(ctx, aws.ToString(in.Id))
	if err != nil {
		return nil, err
	}
	if z.Sets > 2 {
		return nil, &types.HostedZoneNotEmpty{Message: aws.String("The specified hosted zone contains non-required resource record sets and so cannot be deleted.")}
	}
	b := new(store.Batch)
	b.DeleteIf(KindZone, z.Account+"/"+z.ID, revision)
	b.Delete(kindApex, string(z.Name))
	b.Delete(kindReference, z.Account+"/"+z.Reference)
	for _, kind := range []string{"NS", "SOA"} {
		b.Delete(KindRecordSet, setKey(z.ID, z.Name, kind))
	}
	info, err := s.change(ctx, b, "")
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Commit(ctx, b); errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil, busy(z.ID)
	} else if err != nil {
		return nil, fmt.Errorf("delete hosted zone %s: %w", z.ID, err)
	}
	return &route53.DeleteHostedZoneOutput{ChangeInfo: info}, nil
}

// UpdateHostedZoneComment changes the comment; none removes it.
func (s *Service) UpdateHostedZoneComment(ctx context.Context, in *route53.UpdateHostedZoneCommentInput) (*route53.UpdateHostedZoneCommentOutput, error) {
	z, err := s.editZone(ctx, aws.ToString(in.Id), func(z *zone, _ *store.Batch) error {
		z.Comment = aws.ToString(in.Comment)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &route53.UpdateHostedZoneCommentOutput{HostedZone: z.sdk()}, nil
}

// zones reads all zones of the caller's account.
func (s *Service) zones(ctx context.Context) ([]zone, error) {
	records, err := s.store.List(ctx, KindZone, account(ctx)+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list hosted zones: %w", err)
	}
	all := make([]zone, 0, len(records))
	for _, r := range records {
		z, err := decode[zone](r)
		if err != nil {
			return nil, err
		}
		all = append(all, z)
	}
	return all, nil
}

// maxItems is how much a page holds at most, and unless the caller asks for less.
func maxItems(given *int32, most int32) int32 {
	if given == nil || *given > most || *given < 1 {
		return most
	}
	return *given
}

// ListHostedZones lists the account's zones by id.
func (s *Service) ListHostedZones(ctx context.Context, in *route53.ListHostedZonesInput) (*route53.ListHostedZonesOutput, error) {
	all, err := s.zones(ctx)
	if err != nil {
		return nil, err
	}
	limit := maxItems(in.MaxItems, 100)
	out := &route53.ListHostedZonesOutput{Marker: in.Marker, MaxItems: &limit, HostedZones: []types.HostedZone{}}
	if in.HostedZoneType == types.HostedZoneTypePrivateHostedZone || aws.ToString(in.DelegationSetId) != "" {
		return out, nil // there are none
	}
	for _, z := range all {
		if z.ID < aws.ToString(in.Marker) {
			continue
		}
		if len(out.HostedZones) == int(limit) {
			out.IsTruncated, out.NextMarker = true, aws.String(z.ID)
			break
		}
		out.HostedZones = append(out.HostedZones, *z.sdk())
	}
	return out, nil
}

// ListHostedZonesByName lists the account's zones by name, labels from the
// right, from a name on; it does not filter.
func (s *Service) ListHostedZonesByName(ctx context.Context, in *route53.ListHostedZonesByNameInput) (*route53.ListHostedZonesByNameOutput, error) {
	all, err := s.zones(ctx)
	if err != nil {
		return nil, err
	}
	from := ""
	if in.DNSName != nil {
		n, err := parseName(*in.DNSName)
		if err != nil {
			return nil, &types.InvalidDomainName{Message: aws.String(fmt.Sprintf("%s is not a valid domain name", *in.DNSName))}
		}
		from = n.sortKey() + "/" + bareID(aws.ToString(in.HostedZoneId), "hostedzone")
	} else if in.HostedZoneId != nil {
		return nil, invalidInput("hostedZoneId needs a dnsName")
	}
	key := func(z zone) string { return z.Name.sortKey() + "/" + z.ID }
	slices.SortFunc(all, func(x, y zone) int { return strings.Compare(key(x), key(y)) })
	limit := maxItems(in.MaxItems, 100)
	out := &route53.ListHostedZonesByNameOutput{DNSName: in.DNSName, HostedZoneId: in.HostedZoneId, MaxItems: &limit, HostedZones: []types.HostedZone{}}
	for _, z := range all {
		if key(z) < from {
			continue
		}
		if len(out.HostedZones) == int(limit) {
			out.IsTruncated, out.NextDNSName, out.NextHostedZoneId = true, aws.String(z.Name.String()), aws.String(z.ID)
			break
		}
		out.HostedZones = append(out.HostedZones, *z.sdk())
	}
	return out, nil
}

// GetHostedZoneCount counts the account's zones.
func (s *Service) GetHostedZoneCount(ctx context.Context, _ *route53.GetHostedZoneCountInput) (*route53.GetHostedZoneCountOutput, error) {
	all, err := s.zones(ctx)
	if err != nil {
		return nil, err
	}
	return &route53.GetHostedZoneCountOutput{HostedZoneCount: aws.Int64(int64(len(all)))}, nil
}

func (s *Service) delegationSet() *types.DelegationSet {
	return &types.DelegationSet{NameServers: s.nameServers}
}

func (z zone) sdk() *types.HostedZone {
	return &types.HostedZone{
		Id: aws.String("/hostedzone/" + z.ID), Name: aws.String(z.Name.String()), CallerReference: &z.Reference,
		Config: &types.HostedZoneConfig{Comment: optional(z.Comment)}, ResourceRecordSetCount: &z.Sets,
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// change adds a change's record to a batch and describes it as it is handed out.
func (s *Service) change(ctx context.Context, b *store.Batch, comment string) (*types.ChangeInfo, error) {
	id, err := s.newID("C")
	if err != nil {
		return nil, err
	}
	c := change{ID: id, Comment: comment, Submitted: s.now().UTC().Truncate(time.Millisecond)}
	b.CreateUntil(kindChange, account(ctx)+"/"+id, encode(c), c.Submitted.Add(24*time.Hour))
	info := c.sdk()
	info.Status = types.ChangeStatusPending
	return info, nil
}

// GetChange tells of a change. It is INSYNC: an operation that changes a zone is
// answered when the name server shows the change.
func (s *Service) GetChange(ctx context.Context, in *route53.GetChangeInput) (*route53.GetChangeOutput, error) {
	id := bareID(aws.ToString(in.Id), "change")
	r, err := s.store.Get(ctx, kindChange, account(ctx)+"/"+id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &types.NoSuchChange{Message: aws.String("Could not find resource with ID: " + id)}
	}
	if err != nil {
		return nil, err
	}
	c, err := decode[change](r)
	if err != nil {
		return nil, err
	}
	return &route53.GetChangeOutput{ChangeInfo: c.sdk()}, nil
}

func (c change) sdk() *types.ChangeInfo {
	return &types.ChangeInfo{Id: aws.String("/change/" + c.ID), Status: types.ChangeStatusInsync, SubmittedAt: &c.Submitted, Comment: optional(c.Comment)}
}
