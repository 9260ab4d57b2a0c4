package authority

import (
	"context"
	"strings"
	"sync"

	"countersign/store"
)

// A CRLObject is where a list is kept.
type CRLObject struct {
	Bucket, Region, Key string
}

// crlAliases is what the lists of authorities with a CustomCname are called, as
// host (in lower case, without a port) and path.
type crlAliases struct {
	mu     sync.Mutex
	read   bool
	at     store.Revision // of KindAuthority when byName was made
	byName map[string]CRLObject
}

// CRLAlias finds the list that certificates name by a CustomCname. On AWS that
// name is the owner's to point at the bucket; here it is enough to point it at the
// node. ok is false for everything else.
func (s *Service) CRLAlias(ctx context.Context, host, path string) (o CRLObject, ok bool, err error) {
	a := &s.aliases
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := s.store.Changed(KindAuthority); !a.read || at != a.at {
		got, err := s.store.List(ctx, KindAuthority, "", "", 0)
		if err != nil {
			return o, false, err
		}
		byName := map[string]CRLObject{}
		for _, one := range got {
			r, err := decode(one)
			if err != nil {
				return o, false, err
			}
			if r.CRL == nil || r.CRL.Cname == "" {
				continue
			}
			lists := []crlList{{complete: true}}
			if r.CRL.Seed != nil {
				for octet := range 256 {
					lists = append(lists, crlList{octet: byte(octet)})
				}
			}
			for _, l := range lists {
				host, path, _ := strings.Cut(strings.TrimPrefix(r.CRL.url(r.ID, l), "http://"), "/")
				host, _, _ = strings.Cut(host, ":")
				byName[strings.ToLower(host)+"/"+path] = CRLObject{r.CRL.Bucket, r.CRL.Region, r.CRL.object(r.ID, l)}
			}
		}
		a.read, a.at, a.byName = true, at, byName
	}
	o, ok = a.byName[host+path]
	return o, ok, nil
}
