package authority

import (
	"context"
	"encoding/json"
	"fmt"
)

// An IssuerKey names who signed a certificate: SHA-256 of the DER
// SubjectPublicKeyInfo of the issuer.
type IssuerKey [32]byte

// issuer is the stored form, of KindIssuer.
type issuer struct{ Key []byte }

// Issuers tells which key each authority signs with, by authority id (the
// Authority of store.Revocation). It holds every authority that ever had a key,
// in whatever state and those that are gone: revoking is for good, and a key
// signs nothing after its authority is gone, but what it signed is still out there.
func (s *Service) Issuers(ctx context.Context) (map[string]IssuerKey, error) {
	got, err := s.store.List(ctx, KindIssuer, "", "", 0)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]IssuerKey, len(got))
	for _, one := range got {
		var i issuer
		if err := json.Unmarshal(one.Value, &i); err != nil {
			return nil, fmt.Errorf("decode %s %s: %w", one.Kind, one.Key, err)
		}
		if len(i.Key) != len(IssuerKey{}) {
			return nil, fmt.Errorf("decode %s %s: a key hash of %d bytes", one.Kind, one.Key, len(i.Key))
		}
		keys[one.Key] = IssuerKey(i.Key)
	}
	return keys, nil
}
