package secrets

import (
	"context"
	"errors"
	"fmt"

	"countersign/store"
)

// Check proves that every version of every secret and parameter has its value, and
// that it opens, and that no value is without one; it reports what is not so. It works
// on a store that nobody writes meanwhile, and is not an operation: only the check of
// a stopped node's folder calls it. It returns how many values it has opened. The
// error is for what kept it from looking.
func (s *Service) Check(ctx context.Context, report func(resource, problem string)) (int, error) {
	c := checker{s, report, map[string]bool{}, 0}
	for _, step := range []struct {
		kind string
		look func(context.Context, store.Record) error
	}{{kindSecret, c.secret}, {kindValue, c.belongs}, {kindParameter, c.parameter}, {kindHistory, c.belongs}} {
		if err := c.each(ctx, step.kind, step.look); err != nil {
			return c.opened, err
		}
	}
	return c.opened, nil
}

type checker struct {
	*Service
	report func(resource, problem string)
	known  map[string]bool // kind and key of records that belong to something
	opened int
}

func (c *checker) each(ctx context.Context, kind string, look func(context.Context, store.Record) error) error {
	const page = 200
	for after := ""; ; {
		list, err := c.store.List(ctx, kind, "", after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			after = r.Key
			if err := look(ctx, r); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

func (c *checker) secret(ctx context.Context, r store.Record) error {
	x, err := decodeSecret(r)
	if err != nil || x.key() != r.Key {
		c.report("record "+r.Kind+" "+r.Key, "it holds no secret of that name")
		return nil
	}
	for _, v := range x.Versions {
		c.known[kindValue+" "+x.valueKey(v.ID)] = true
		_, err := c.value(ctx, x, v.ID)
		c.judge(x.arn(), "version "+v.ID, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (c *checker) parameter(ctx context.Context, r store.Record) error {
	p, err := decodeParameter(r)
	if err != nil || p.key() != r.Key {
		c.report("record "+r.Kind+" "+r.Key, "it holds no parameter of that name")
		return nil
	}
	for n := p.First; n <= p.Newest.Version; n++ {
		c.known[kindHistory+" "+p.historyKey(n)] = n < p.Newest.Version
		v, err := c.parameterVersion(ctx, p, n)
		if err == nil {
			_, err = c.parameterValue(p, v)
		}
		c.judge(p.arn(), "version "+formatVersion(n), err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (c *checker) judge(resource, what string, err error) {
	switch {
	case err == nil:
		c.opened++
	case errors.Is(err, store.ErrNotFound):
		c.report(resource, "the value of "+what+" is not in the store")
	default:
		c.report(resource, fmt.Sprintf("the value of %s: %v", what, err))
	}
}

func (c *checker) belongs(_ context.Context, r store.Record) error {
	if !c.known[r.Kind+" "+r.Key] {
		c.report("record "+r.Kind+" "+r.Key, "it belongs to nothing")
	}
	return nil
}
