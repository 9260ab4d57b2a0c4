package authority

import "testing"

func TestRecordsAreForgottenWhenAnAuthorityIsWritten(t *testing.T) {
	t.Parallel()
	var c recordCache
	old, later := &record{ID: "old"}, &record{ID: "later"}
	c.put("a", 5, old)
	if got := c.get("a", 5); got != old {
		t.Fatalf("got %v, want what was put", got)
	}
	if got := c.get("a", 6); got != nil {
		t.Fatalf("got %v after a write, want nothing", got)
	}
	c.put("b", 6, later)
	c.put("a", 5, old) // read before the write, by somebody slow
	if got := c.get("a", 6); got != nil {
		t.Fatalf("got %v, which was read before the write", got)
	}
	if got := c.get("b", 6); got != later {
		t.Fatalf("got %v, want what was put after the write", got)
	}
	c.drop("b")
	if got := c.get("b", 6); got != nil {
		t.Fatalf("got %v after it was dropped", got)
	}
	for n := range 3 * maxRecords {
		c.put(string(rune('a'+n)), 6, later)
	}
	if len(c.byKey) > maxRecords {
		t.Fatalf("%d records are kept, want %d at the most", len(c.byKey), maxRecords)
	}
}
