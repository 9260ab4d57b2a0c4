package secrets

import (
	"slices"
	"strings"
	"testing"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, first := b.secret("a/b", "1")
	do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: aws.String("2"), ClientRequestToken: token()})
	for range 3 {
		b.put("/p", "v")
	}
	b.put("top", "v")
	check := func() (opened int, found []string) {
		t.Helper()
		opened, err := b.Check(b.ctx, func(resource, problem string) { found = append(found, resource+": "+problem) })
		if err != nil {
			t.Fatal(err)
		}
		return opened, found
	}
	if opened, found := check(); opened != 6 || len(found) > 0 {
		t.Errorf("%d values were opened, and found: %q", opened, found)
	}
	x, err := b.find(b.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.readParameter(b.ctx, scope(b.ctx)+"/p")
	if err != nil {
		t.Fatal(err)
	}
	batch := new(store.Batch).Delete(kindValue, x.valueKey(*first)).Put(kindValue, x.key()+":stray", nil).Put(kindHistory, p.historyKey(2), []byte(`{"Version":2,"Sealed":"AAAA"}`)).
		Put(kindHistory, p.historyKey(9), nil).Delete(kindHistory, p.historyKey(1)).Put(kindSecret, "elsewhere", []byte(`{}`))
	if _, err := b.store.Commit(b.ctx, batch); err != nil {
		t.Fatal(err)
	}
	opened, found := check()
	slices.Sort(found)
	want := []string{"is not in the store", "version 1: ", "version 2: open secret of", "holds no secret", "belongs to nothing", "belongs to nothing"}
	if opened != 3 || len(found) != len(want) {
		t.Errorf("%d values were opened, and found: %q", opened, found)
	}
	for _, text := range want {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, text) }) {
			t.Errorf("nothing is found that %q: %q", text, found)
		}
	}
}
