package zones

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"countersign/service/stacks/resource"
)

// ResourceTypes are the CloudFormation resource types of Route 53.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Route53.html
func (s *Service) ResourceTypes() []resource.Type {
	z, r, g := hostedZones{s}, recordSets{s}, recordSetGroups{s}
	return []resource.Type{
		resource.Define(resource.Spec[zoneProperties]{
			Name: "AWS::Route53::HostedZone", Attributes: []string{"Id", "NameServers"}, Tags: "HostedZoneTags",
			Known:  []string{"HostedZoneFeatures", "QueryLoggingConfig", "VPCs"},
			Create: z.create, Update: z.update, Delete: z.delete, Find: z.find,
		}),
		resource.Define(resource.Spec[recordSetProperties]{
			Name: "AWS::Route53::RecordSet", Known: routing(""),
			Check:  func(p *recordSetProperties) []resource.Problem { return oneZone(p.HostedZoneId, p.HostedZoneName) },
			Create: r.create, Update: r.update, Delete: r.delete, Find: r.find,
		}),
		resource.Define(resource.Spec[groupProperties]{
			Name: "AWS::Route53::RecordSetGroup", Known: routing("RecordSets."),
			Check:  checkGroup,
			Create: g.create, Update: g.update, Delete: g.delete, Find: g.find,
		}),
	}
}

// routing are properties of record sets that this version does not build, below prefix.
func routing(prefix string) []string {
	names := []string{"CidrRoutingConfig", "Failover", "GeoLocation", "GeoProximityLocation", "HealthCheckId", "MultiValueAnswer", "Region", "SetIdentifier", "Weight"}
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}

type zoneProperties struct {
	Name             string `cfn:"required,replace"`
	HostedZoneConfig *struct{ Comment *string }
	HostedZoneTags   []resource.Tag
}

func (p *zoneProperties) comment() *string {
	if p.HostedZoneConfig == nil {
		return nil
	}
	return p.HostedZoneConfig.Comment
}

// hostedZones is AWS::Route53::HostedZone.
type hostedZones struct{ *Service }

// create makes a zone under the change's token as caller reference, which makes it happen once.
func (s hostedZones) create(ctx context.Context, c *resource.Change[zoneProperties]) (resource.Result, error) {
	id := c.PhysicalID
	if id == "" {
		in := &route53.CreateHostedZoneInput{Name: &c.Properties.Name, CallerReference: &c.Token}
		if comment := c.Properties.comment(); comment != nil {
			in.HostedZoneConfig = &types.HostedZoneConfig{Comment: comment}
		}
		out, err := resource.Do(ctx, s.CreateHostedZone, in)
		switch {
		case err == nil:
			id = bareID(*out.HostedZone.Id, "hostedzone")
		case errors.As(err, new(*types.HostedZoneAlreadyExists)):
			found, err := s.find(ctx, c)
			if err != nil {
				return resource.Result{}, err
			}
			id = found
		}
		if id == "" {
			return resource.Result{}, err
		}
		if err := c.Initiated(id); err != nil {
			return resource.Result{}, err
		}
	}
	if err := s.retag(ctx, id, nil, c.Properties.HostedZoneTags); err != nil {
		return resource.Result{}, err
	}
	return s.result(ctx, id)
}

func (s hostedZones) result(ctx context.Context, id string) (resource.Result, error) {
	out, err := resource.Do(ctx, s.GetHostedZone, &route53.GetHostedZoneInput{Id: &id})
	if err != nil {
		return resource.Result{}, err
	}
	return resource.Result{PhysicalID: id, Attributes: map[string]any{"Id": id, "NameServers": texts(out.DelegationSet.NameServers)}}, nil
}

// texts is a list as templates know them.
func texts(in []string) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}

func (s hostedZones) update(ctx context.Context, c *resource.Change[zoneProperties]) (resource.Result, error) {
	if comment := c.Properties.comment(); aws.ToString(comment) != aws.ToString(c.Old.comment()) {
		if _, err := resource.Do(ctx, s.UpdateHostedZoneComment, &route53.UpdateHostedZoneCommentInput{Id: &c.PhysicalID, Comment: comment}); err != nil {
			return resource.Result{}, err
		}
	}
	if err := s.retag(ctx, c.PhysicalID, c.Old.HostedZoneTags, c.Properties.HostedZoneTags); err != nil {
		return resource.Result{}, err
	}
	return s.result(ctx, c.PhysicalID)
}

// retag changes tags in steps of ten, which is the most that one call takes.
func (s hostedZones) retag(ctx context.Context, id string, old, now []resource.Tag) error {
	set, removed := resource.TagChanges(old, now)
	for len(set) > 0 || len(removed) > 0 {
		in := &route53.ChangeTagsForResourceInput{ResourceType: types.TagResourceTypeHostedzone, ResourceId: &id}
		n := min(len(removed), maxTags)
		in.RemoveTagKeys, removed = removed[:n], removed[n:]
		if len(removed) == 0 { // those that go make room first
			n = min(len(set), maxTags)
			for _, t := range set[:n] {
				in.AddTags = append(in.AddTags, types.Tag{Key: &t.Key, Value: &t.Value})
			}
			set = set[n:]
		}
		if _, err := resource.Do(ctx, s.ChangeTagsForResource, in); err != nil {
			return err
		}
	}
	return nil
}

func (s hostedZones) delete(ctx context.Context, c *resource.Change[zoneProperties]) error {
	_, err := resource.Do(ctx, s.DeleteHostedZone, &route53.DeleteHostedZoneInput{Id: &c.PhysicalID})
	return unlessGone(err)
}

// unlessGone is err, but nil where it says that there is nothing to delete any more.
func unlessGone(err error) error {
	if resource.IsNotFound(err) {
		return nil
	}
	return err
}

// find looks for the zone that was made under the change's token.
func (s hostedZones) find(ctx context.Context, c *resource.Change[zoneProperties]) (string, error) {
	page := &route53.ListHostedZonesInput{}
	for {
		out, err := resource.Do(ctx, s.ListHostedZones, page)
		if err != nil {
			return "", err
		}
		for _, z := range out.HostedZones {
			if aws.ToString(z.CallerReference) == c.Token {
				return bareID(*z.Id, "hostedzone"), nil
			}
		}
		if !out.IsTruncated {
			return "", nil
		}
		page.Marker = out.NextMarker
	}
}
