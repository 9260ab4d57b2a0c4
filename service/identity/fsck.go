package identity

import (
	"context"
	"fmt"

	"countersign/policy"
	"countersign/store"
)

// Check proves that roles and policies agree: that trust policies can be read, that the
// account's own policies which roles name exist, and that they are counted as often as they are named. What does
// not is reported. It works on a store that nobody writes meanwhile, and is not an
// operation: only the check of a stopped node's folder calls it. The error is for what
// kept it from looking.
func Check(ctx context.Context, from store.Store, report func(resource, problem string)) error {
	used := map[string]usage{} // by ARN
	roles, err := readAll[role](ctx, from, KindRole, report)
	if err != nil {
		return err
	}
	for key, r := range roles {
		if nameKey(r.Account, r.Name) != key {
			report("record "+KindRole+" "+key, "it holds the role "+r.arn())
		}
		if _, err := policy.Parse([]byte(r.Trust), policy.Trust); err != nil {
			report(r.arn(), "its trust policy cannot be read: "+err.Error())
		}
		for _, arn := range r.Attached {
			u := used[arn]
			u.attached++
			used[arn] = u
		}
		if r.Boundary != "" {
			u := used[r.Boundary]
			u.bounds++
			used[r.Boundary] = u
		}
	}
	policies, err := readAll[managedPolicy](ctx, from, KindPolicy, report)
	if err != nil {
		return err
	}
	for key, p := range policies {
		if nameKey(p.Account, p.Name) != key {
			report("record "+KindPolicy+" "+key, "it holds the policy "+p.arn())
		}
		if p.version(p.Default) == nil {
			report(p.arn(), "its default version "+p.Default+" is not there")
		}
		if u := used[p.arn()]; p.Attached != u.attached || p.Bounds != u.bounds {
			report(p.arn(), fmt.Sprintf("it is counted in %d roles and as the boundary of %d; it is in %d and the boundary of %d", p.Attached, p.Bounds, u.attached, u.bounds))
		}
		delete(used, p.arn())
	}
	for arn := range used {
		if !isAWS(arn) {
			report(arn, "roles have this policy, but it is not there")
		}
	}
	return nil
}

// readAll reads the records of a kind by key, and reports those that cannot be read.
func readAll[T any](ctx context.Context, from store.Store, kind string, report func(resource, problem string)) (map[string]*T, error) {
	records, err := from.List(ctx, kind, "", "", 0)
	if err != nil {
		return nil, err
	}
	all := map[string]*T{}
	for _, r := range records {
		v, err := decode[T](r)
		if err != nil {
			report("record "+r.Kind+" "+r.Key, err.Error())
			continue
		}
		all[r.Key] = v
	}
	return all, nil
}
