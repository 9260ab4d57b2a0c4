package zones

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"countersign/edge/snapshot"
	"countersign/store"
)

// Compile makes the name server's view of all accounts' zones.
func (s *Service) Compile(ctx context.Context) (*snapshot.DNS, error) {
	zones, err := s.store.List(ctx, KindZone, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("list hosted zones: %w", err)
	}
	out := &snapshot.DNS{Zones: make(map[string]*snapshot.Zone, len(zones))}
	for _, r := range zones {
		z, err := decode[zone](r)
		if err != nil {
			return nil, err
		}
		sets, err := s.store.List(ctx, KindRecordSet, z.ID+"/", "", 0)
		if err != nil {
			return nil, fmt.Errorf("list the records of zone %s: %w", z.ID, err)
		}
		compiled := &snapshot.Zone{Name: z.Name.presentation(), Sets: make([]snapshot.RecordSet, 0, len(sets))}
		for _, r := range sets {
			set, err := decode[recordSet](r)
			if err != nil {
				return nil, err
			}
			c := snapshot.RecordSet{Name: set.Name.presentation(), Type: set.Type, TTL: set.TTL}
			for _, value := range set.Values {
				rr, err := parseValue(set.Name, set.Type, value)
				if err != nil {
					return nil, fmt.Errorf("record set %s %s of zone %s: %w", set.Name, set.Type, z.ID, err)
				}
				c.Values = append(c.Values, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
			if set.Alias != nil {
				c.Alias = set.Alias.Name.presentation()
			}
			compiled.Sets = append(compiled.Sets, c)
		}
		out.Zones[compiled.Name] = compiled
	}
	return out, nil
}

// LookupCNAME answers from the zones of all accounts of this installation: the
// target of the CNAME record at name itself, absolute, or "" where there is none.
// It is ours when a zone here holds the name, and only then says anything of it.
func (s *Service) LookupCNAME(ctx context.Context, text string) (target string, ours bool, err error) {
	n, err := parseName(text)
	if err != nil {
		return "", false, nil // not a name that anybody could serve
	}
	for apex := string(n); apex != ""; _, apex, _ = strings.Cut(apex, ".") {
		holder, err := s.store.Get(ctx, kindApex, apex)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", false, fmt.Errorf("look up zone %s: %w", apex, err)
		}
		_, id, _ := strings.Cut(string(holder.Value), "/")
		set, ok, err := s.getSet(ctx, setKey(id, n, "CNAME"))
		if err != nil || !ok || len(set.Values) == 0 {
			return "", true, err
		}
		return strings.TrimSuffix(set.Values[0], ".") + ".", true, nil
	}
	return "", false, nil
}
