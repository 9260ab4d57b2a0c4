package authority

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"countersign/pki"
	"countersign/store"
)

// makeKey gives a CREATING authority its key and its CSR, and adds to b what
// has to be recorded beside the authority itself.
func (s *Service) makeKey(b *store.Batch, r *record) error {
	key, err := s.generate(r.Algorithm)
	if err != nil {
		return fmt.Errorf("make the key of %s: %w", r.arn(), err)
	}
	extensions, err := csrExtensions(r.CSRExtensions)
	if err != nil {
		return err
	}
	if r.CSR, err = pki.NewRequest(r.Subject.Attributes, pki.Algorithm(r.Signing), pki.WithRandom(key, s.rand), extensions...); err != nil {
		return fmt.Errorf("make the certificate request of %s: %w", r.arn(), issuingError(err))
	}
	if r.Key, err = s.sealer.SealKey(s.rand, key, r.arn()); err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the public key of %s: %w", r.arn(), err)
	}
	sum := sha256.Sum256(spki)
	value, err := json.Marshal(issuer{Key: sum[:]})
	if err != nil {
		return err
	}
	b.Create(KindIssuer, r.ID, value)
	r.set(pending, s.now())
	return nil
}

// MakeKeys makes the keys of all authorities that are CREATING. It is the body
// of a job: run it at start and whenever KindPending was written. It asks for no
// time to run again. A node that dies meanwhile leaves the authority CREATING and
// the work recorded, so the next run takes it up.
func (s *Service) MakeKeys(ctx context.Context) (next time.Time, err error) {
	waiting, err := s.store.List(ctx, KindPending, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	for _, w := range waiting {
		if err := s.finish(ctx, w.Key); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}

// finish makes one authority's key. If somebody else was faster, or the
// authority was deleted or tagged while the key was made, it looks again.
func (s *Service) finish(ctx context.Context, key string) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := (&store.Batch{}).Delete(KindPending, key)
		got, err := s.store.Get(ctx, KindAuthority, key)
		switch {
		case errors.Is(err, store.ErrNotFound): // deleted before it had a key
		case err != nil:
			return err
		default:
			r, err := decode(got)
			if err != nil {
				return err
			}
			if r.State == creating {
				if err := s.makeKey(b, r); err != nil {
					return err
				}
				value, err := r.encode()
				if err != nil {
					return err
				}
				b.Replace(KindAuthority, key, value, r.revision)
			}
		}
		_, err = s.store.Commit(ctx, b)
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
			continue
		}
		return err
	}
}
