package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"countersign/call"
	"countersign/keys"
	"countersign/service/authority"
	"countersign/store"
)

// ImportAuthority takes a certificate authority with its key into the folder
// of a stopped node, in a Region of its account; see authority.Service.Adopt. What
// AWS's operations do goes over a running node's endpoint; this is for what they do
// not, and whoever may do it holds the folder and the sealing key.
func ImportAuthority(ctx context.Context, c Config, region string, in authority.Adoption) (_ *authority.Adopted, err error) {
	s, err := openStopped(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	account, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkMaster(ctx); err != nil {
		return nil, err
	}
	root := "arn:aws:iam::" + account + ":root"
	ctx = call.With(ctx, call.Call{
		Account: account, Region: region, Service: "acm-pca", Operation: "ImportAuthority", Signing: call.Internal,
		Principal: call.Principal{Account: account, ARN: root, ID: account}, UserAgent: "countersign ca import",
	})
	return s.authority().Adopt(ctx, in)
}

// account reads whose folder it is.
func (s *stopped) account(ctx context.Context) (string, error) {
	got, err := s.store.Get(ctx, kindInstallation, "this")
	if errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("%s holds no node yet: start one there once with 'countersign serve', then stop it", s.config.Data)
	}
	if err != nil {
		return "", err
	}
	var i installation
	if err := json.Unmarshal(got.Value, &i); err != nil {
		return "", fmt.Errorf("decode the installation's record: %w", err)
	}
	return i.Account, nil
}

// checkMaster demands the sealing key that the folder was made with: what another
// one seals, the node could not open.
func (s *stopped) checkMaster(ctx context.Context) error {
	_, err := s.inventory().LocalAuthority(ctx)
	if errors.Is(err, keys.ErrMaster) {
		return fmt.Errorf("the data folder %s was sealed with another master key than the one given: use the key it was made with", s.config.Data)
	}
	return err
}
