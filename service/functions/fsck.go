package functions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"countersign/store"
)

// Check proves that every version of every function has the package that was
// uploaded, judged by its hash, and reports what has not. uses is told every blob
// that something refers to. It works on a store that nobody writes meanwhile, and is
// not an operation: only the check of a stopped node's folder calls it. It returns
// how many packages it read. The error is for what kept it from looking.
func Check(ctx context.Context, from store.Store, report func(resource, problem string), uses func(store.BlobID)) (int, error) {
	const page = 100
	packages := 0
	for after := ""; ; {
		list, err := from.List(ctx, kindFunction, "", after, page)
		if err != nil {
			return packages, err
		}
		for _, r := range list {
			after = r.Key
			f, err := decodeFunction(r)
			if err != nil {
				report("record "+r.Kind+" "+r.Key, err.Error())
				continue
			}
			if f.key() != r.Key {
				report("record "+r.Kind+" "+r.Key, "it holds the function "+f.arn())
				continue
			}
			seen := map[code]bool{}
			for _, v := range f.versions() {
				uses(v.Code.Blob)
				if seen[v.Code] {
					continue
				}
				seen[v.Code] = true
				packages++
				if problem, err := checkCode(ctx, from, v.Code); err != nil {
					return packages, err
				} else if problem != "" {
					report(f.qualified(v.Number), problem)
				}
			}
		}
		if len(list) < page {
			return packages, nil
		}
	}
}

// checkCode says what is wrong with a package.
func checkCode(ctx context.Context, from store.Store, c code) (problem string, err error) {
	body, err := from.OpenBlob(ctx, c.Blob, 0, -1)
	if errors.Is(err, store.ErrNotFound) {
		return "its package is not in the store", nil
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	h := sha256.New()
	n, err := io.Copy(h, body)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return fmt.Sprintf("its package cannot be read: %v", err), nil
	case n != c.Size:
		return fmt.Sprintf("its package has %d bytes, not %d", n, c.Size), nil
	case hex.EncodeToString(h.Sum(nil)) != c.SHA256:
		return "its package is not the one that was uploaded: its SHA-256 is another", nil
	}
	return "", nil
}
