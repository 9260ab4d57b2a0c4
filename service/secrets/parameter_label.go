package secrets

import (
	"context"
	"maps"
	"slices"
	"strings"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const maxLabels = 10 // of one version

// labels are those of a version, sorted.
func (p *parameter) labels(version int64) []string {
	var out []string
	for _, label := range slices.Sorted(maps.Keys(p.Labels)) {
		if p.Labels[label] == version {
			out = append(out, label)
		}
	}
	return out
}

// validLabel tells labels from what may not be one.
func validLabel(label string) bool {
	lower := strings.ToLower(label)
	return parameterLabel.MatchString(label) && !strings.HasPrefix(lower, "aws") && !strings.HasPrefix(lower, "ssm")
}

// editLabels changes the labels of a version of a parameter; 0 stands for the newest.
func (s *Service) editLabels(ctx context.Context, name *string, version int64, change func(p *parameter, version int64) error) (int64, error) {
	plain, err := plainName(name)
	if err != nil {
		return 0, err
	}
	at := version
	_, err = s.editParameter(ctx, plain, func(p *parameter, _ *store.Batch) error {
		if !p.exists() {
			return parameterNotFound(plain)
		}
		if at = version; at == 0 {
			at = p.Newest.Version
		}
		if at < p.First || at > p.Newest.Version {
			return versionNotFound("version", formatVersion(at), plain)
		}
		return change(p, at)
	})
	return at, err
}

// LabelParameterVersion attaches labels to a version, from wherever they are.
// Those that may not be labels are answered.
func (s *Service) LabelParameterVersion(ctx context.Context, in *ssm.LabelParameterVersionInput) (*ssm.LabelParameterVersionOutput, error) {
	out := &ssm.LabelParameterVersionOutput{}
	var err error
	out.ParameterVersion, err = s.editLabels(ctx, in.Name, aws.ToInt64(in.ParameterVersion), func(p *parameter, version int64) error {
		out.InvalidLabels = []string{}
		if p.Labels == nil {
			p.Labels = map[string]int64{}
		}
		for _, label := range in.Labels {
			if validLabel(label) {
				p.Labels[label] = version
			} else {
				out.InvalidLabels = append(out.InvalidLabels, label)
			}
		}
		if len(p.labels(version)) > maxLabels {
			return &ssmtypes.ParameterVersionLabelLimitExceeded{Message: aws.String("A parameter version can have maximum 10 labels. Move one or more labels to another version and try again.")}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UnlabelParameterVersion takes labels from a version. Those that it does not have are answered.
func (s *Service) UnlabelParameterVersion(ctx context.Context, in *ssm.UnlabelParameterVersionInput) (*ssm.UnlabelParameterVersionOutput, error) {
	if aws.ToInt64(in.ParameterVersion) < 1 {
		return nil, versionNotFound("version", formatVersion(aws.ToInt64(in.ParameterVersion)), aws.ToString(in.Name))
	}
	out := &ssm.UnlabelParameterVersionOutput{}
	_, err := s.editLabels(ctx, in.Name, *in.ParameterVersion, func(p *parameter, version int64) error {
		out.RemovedLabels, out.InvalidLabels = []string{}, []string{}
		for _, label := range in.Labels {
			if p.Labels[label] == version {
				delete(p.Labels, label)
				out.RemovedLabels = append(out.RemovedLabels, label)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, label)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
