package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"countersign/pki"
	"countersign/store"
)

// crlSlack is how long before a list was written a revocation must have been
// for the list to be wrong without it: the two may have crossed.
const crlSlack = time.Minute

// CheckCRLs proves that the lists in buckets are those that were written last,
// signed by their authority, and say what the ledger says, or reports what does
// not; it returns how many lists it read. It is to Check as that is to operations. read
// opens an object as an account; a list that its bucket refused last, or that is
// about to be written to another place, is passed over.
func (s *Service) CheckCRLs(ctx context.Context, read func(ctx context.Context, account, region, bucket, key string) (io.ReadCloser, error), report func(resource, problem string)) (int, error) {
	var marks []string
	if err := s.each(ctx, KindCRLDue, func(m store.Record) { marks = append(marks, m.Key) }); err != nil {
		return 0, err
	}
	var states []*crlState
	if err := s.each(ctx, kindCRL, func(from store.Record) {
		st := &crlState{key: from.Key}
		if err := json.Unmarshal(from.Value, st); err != nil {
			report("record "+from.Kind+" "+from.Key, "it cannot be decoded: "+err.Error())
			return
		}
		for _, m := range marks {
			if m == st.key || strings.HasPrefix(st.key, m+"/") {
				return
			}
		}
		states = append(states, st)
	}); err != nil {
		return 0, err
	}
	n := 0
	for _, st := range states {
		name, id, l, err := st.split()
		if err != nil {
			report("record "+kindCRL+" "+st.key, err.Error())
			continue
		}
		got, err := s.store.Get(ctx, KindAuthority, name)
		if errors.Is(err, store.ErrNotFound) {
			continue // the next publication forgets it
		}
		if err != nil {
			return n, err
		}
		r, err := decode(got)
		if err != nil || r.Certificate == nil || !r.CRL.kept(l) || st.Written.IsZero() || st.Failure != "" {
			continue // reported by Check, or there is no list that must be there
		}
		n++
		d := r.CRL.delivery(r, l)
		resource := "s3://" + d.Bucket + "/" + d.Key + " (CRL of " + r.arn() + ")"
		bad := func(format string, a ...any) { report(resource, fmt.Sprintf(format, a...)) }
		body, err := read(ctx, r.Account, r.CRL.Region, d.Bucket, d.Key)
		if err != nil {
			if ctx.Err() != nil {
				return n, ctx.Err()
			}
			bad("it cannot be read: %v", err)
			continue
		}
		der, err := io.ReadAll(io.LimitReader(body, pki.MaxCRLBytes+1))
		body.Close()
		if err != nil {
			bad("it cannot be read: %v", err)
			continue
		}
		if err := s.checkCRL(ctx, r, id, l, st, der, bad); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Service) checkCRL(ctx context.Context, r *record, id string, l crlList, st *crlState, der []byte, bad func(string, ...any)) error {
	list, err := pki.ParseCRL(der)
	if err != nil {
		bad("it cannot be parsed: %v", err)
		return nil
	}
	own, err := r.certificate()
	if err != nil {
		bad("%v", err)
		return nil
	}
	if err := list.CheckSignature(own); err != nil {
		bad("%v", err)
		return nil
	}
	if list.Number == nil || list.Number.Cmp(big.NewInt(st.Number)) != 0 {
		bad("its number is %v; the list written last has %d", list.Number, st.Number)
		return nil // another list says other things
	}
	if !list.NextUpdate.Equal(st.Next.Truncate(time.Second)) {
		bad("it holds until %s, not %s", list.NextUpdate.UTC().Format(time.RFC3339), st.Next.UTC().Format(time.RFC3339))
	}
	listed := 0
	after, last := l.through()
	for {
		page, err := s.store.Revoked(ctx, id, after, last, crlPage)
		if err != nil {
			return err
		}
		for _, row := range page {
			after = row.Serial
			entry, ok := list.Lookup(pki.Serial(row.Serial).Int())
			switch {
			case ok:
				listed++
				if entry.Reason != row.Reason || !entry.At.Equal(row.At.Truncate(time.Second)) {
					bad("it revokes %s at %s with reason %d, the ledger at %s with reason %d", pki.Serial(row.Serial).Colons(), entry.At.UTC().Format(time.RFC3339), entry.Reason, row.At.UTC().Format(time.RFC3339), row.Reason)
				}
			case row.At.Before(st.Written.Add(-crlSlack)) && row.NotAfter.After(st.Written):
				bad("it does not revoke %s, which was revoked at %s", pki.Serial(row.Serial).Colons(), row.At.UTC().Format(time.RFC3339))
			}
		}
		if len(page) < crlPage {
			break
		}
	}
	if extra := list.Len() - listed; extra > 0 {
		bad("it revokes %d certificates that the ledger does not have revoked", extra)
	}
	return nil
}
