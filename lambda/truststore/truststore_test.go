package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/pki"
)

func TestLife(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	made := r.send(ctx, "Create", "", props("trust", "store.pem", r.certs()))
	if made.Status != "SUCCESS" || made.Data["TrustStoreUri"] != "s3://trust/store.pem" || made.Data["ObjectVersion"] != "v1" || len(made.Data) != 2 {
		t.Fatalf("Create: %+v", made)
	}
	if got, want := r.bucket.body("store.pem"), strings.Join(r.certs(), ""); got != want {
		t.Errorf("object:\n%swant:\n%s", got, want)
	}
	id := made.PhysicalResourceID

	// Repeated, and with nothing new: the same version, the same id.
	for _, kind := range []string{"Create", "Update"} {
		again := r.send(ctx, kind, id, props("trust", "store.pem", append(r.certs(), r.certs()[0])))
		if again.PhysicalResourceID != id || again.Data["ObjectVersion"] != "v1" || r.bucket.puts != 1 {
			t.Errorf("%s again: %+v after %d writes", kind, again, r.bucket.puts)
		}
	}

	// New content: a new version, the same id.
	updated := r.send(ctx, "Update", id, props("trust", "store.pem", r.hier[0].pem()))
	if updated.PhysicalResourceID != id || updated.Data["ObjectVersion"] != "v2" || r.bucket.body("store.pem") != r.hier[0].pem() {
		t.Errorf("Update: %+v", updated)
	}

	// A new key: a new id, and the old object goes with the old id.
	moved := r.send(ctx, "Update", id, props("trust", "moved.pem", r.certs()))
	if moved.PhysicalResourceID == id || moved.Data["TrustStoreUri"] != "s3://trust/moved.pem" {
		t.Errorf("Update of the key: %+v", moved)
	}
	r.wantKeys("store.pem@v1 store.pem@v2 moved.pem@v3")
	for range 2 { // a repeated Delete finds nothing and is content
		if gone := r.send(ctx, "Delete", id, props("trust", "store.pem", r.certs())); gone.Status != "SUCCESS" || gone.PhysicalResourceID != id {
			t.Errorf("Delete: %+v", gone)
		}
		r.wantKeys("moved.pem@v3")
	}
	r.bucket.name = "another"
	if gone := r.send(ctx, "Delete", moved.PhysicalResourceID, props("trust", "moved.pem", r.certs())); gone.Status != "SUCCESS" {
		t.Errorf("Delete without the bucket: %+v", gone)
	}
}

// An object that was overwritten, or deleted, by others is written again.
func TestOthersWrite(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	place := props("trust", "store.pem", r.certs())
	id := r.send(ctx, "Create", "", place).PhysicalResourceID
	r.bucket.add(version{key: "store.pem", body: []byte("something")})
	if a := r.send(ctx, "Update", id, place); a.Data["ObjectVersion"] != "v3" {
		t.Errorf("over another's object: %+v", a)
	}
	r.bucket.add(version{key: "store.pem", marker: true})
	if a := r.send(ctx, "Update", id, place); a.Data["ObjectVersion"] != "v5" {
		t.Errorf("over a delete marker: %+v", a)
	}
	r.bucket.add(version{key: "store.pem.old", body: []byte("something")})
	r.send(ctx, "Delete", id, place)
	r.wantKeys("store.pem@v2 store.pem@-v4 store.pem.old@v6")
}

// When the resource gets another logical id, CloudFormation creates the new one
// and then deletes the old one, both with the same bucket and key.
func TestRenamedResource(t *testing.T) {
	t.Parallel()
	for _, deny := range []string{"", "versions"} {
		r, ctx := newRig(t), context.Background()
		r.bucket.deny = deny
		place := props("trust", "store.pem", r.certs())
		old := r.sendAs(ctx, "Old", "Create", "", place)
		r.sendAs(ctx, "New", "Create", "", place)
		r.sendAs(ctx, "Old", "Delete", old.PhysicalResourceID, place)
		if got := r.bucket.body("store.pem"); got != strings.Join(r.certs(), "") {
			t.Errorf("with %q denied, the new resource's object is gone: %q", deny, r.bucket.keys())
		}
	}
}

func TestDeleteMarkers(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	place := props("trust", "store.pem", r.certs())
	id := r.send(ctx, "Create", "", place).PhysicalResourceID
	r.bucket.deny = "versions"
	if a := r.send(ctx, "Delete", id, place); a.Status != "SUCCESS" {
		t.Errorf("Delete with S3CrudPolicy: %+v", a)
	}
	r.wantKeys("store.pem@v1 store.pem@-v2")
	if a := r.send(ctx, "Delete", id, place); a.Status != "SUCCESS" {
		t.Errorf("Delete of what is hidden: %+v", a)
	}
	r.wantKeys("store.pem@v1 store.pem@-v2")
	r.bucket.deny = ""
	r.send(ctx, "Delete", id, place)
	r.wantKeys("")
}

func TestUnversioned(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	r.bucket.unversioned = true
	r.wantFailed(r.send(ctx, "Create", "", props("trust", "store.pem", r.certs())), "enable versioning")
	r.wantKeys("")
	r.bucket.add(version{key: "store.pem", body: []byte("mine")})
	r.wantFailed(r.send(ctx, "Create", "", props("trust", "store.pem", r.certs())), "enable versioning")
	if r.bucket.body("store.pem") != "mine" {
		t.Error("somebody's object was overwritten")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	root, sub := r.hier[0], r.hier[1]
	leaf := issue(t, "leaf", sub, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	self := issue(t, "self", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	mute := issue(t, "mute", root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	expired := issue(t, "expired", root, func(c *x509.Certificate) { c.NotAfter = testTime().Add(-time.Minute) })
	future := issue(t, "future", root, func(c *x509.Certificate) { c.NotBefore = testTime().Add(time.Minute) })
	forged := issue(t, "forged", issue(t, "root", nil, nil), nil) // of another root by the same name
	narrow := issue(t, "narrow", nil, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	below := issue(t, "below", narrow, nil)
	chain := []*made{root}
	for _, name := range []string{"2", "3", "4", "5"} {
		chain = append(chain, issue(t, name, chain[len(chain)-1], nil))
	}
	long := []string{}
	for _, c := range chain {
		long = append(long, c.pem())
	}
	key := pki.EncodePEM(pki.PEMPrivateKey, []byte("key"))
	for _, test := range []struct {
		name   string
		certs  any
		reason string
	}{
		{"none", nil, "Certs is missing"},
		{"empty list", []string{}, "Certs is missing"},
		{"number", 5, "Certs is missing"},
		{"list of numbers", []int{5}, "Certs is missing"},
		{"no PEM", []string{root.pem(), "hello"}, "entry 2 of Certs holds no certificate"},
		{"a key", []string{root.pem() + key}, "entry 1 of Certs holds a PEM block of type \"PRIVATE KEY\""},
		{"cut off", []string{root.pem() + sub.pem()[:300]}, "entry 1 of Certs holds a PEM block that is malformed"},
		{"no certificate", []string{pki.EncodePEM(pki.PEMCertificate, []byte{0x30, 0})}, "entry 1 of Certs holds a certificate that cannot be read"},
		{"too large", []string{strings.Repeat(" ", pki.MaxTrustStoreBytes+1)}, "the limit is"},
		{"no root", []string{sub.pem()}, "Incomplete chain: issuer of CN=sub not found"},
		{"another's signature", []string{root.pem(), forged.pem()}, "Incomplete chain: issuer of CN=forged not found"},
		{"client certificate", []string{root.pem(), sub.pem(), leaf.pem()}, "not a CA certificate: CN=leaf"},
		{"client certificate of its own", []string{self.pem()}, "not a CA certificate: CN=self"},
		{"no keyCertSign", []string{root.pem(), mute.pem()}, "not a CA certificate: CN=mute"},
		{"expired", []string{root.pem(), expired.pem()}, "Certificate expired: CN=expired"},
		{"not yet valid", []string{root.pem(), future.pem()}, "Certificate not yet valid: CN=future"},
		{"path length", []string{narrow.pem(), below.pem()}, "path length exceeded: CN=narrow allows 0 CA certificates below it and has 1"},
		{"five levels", long, "chain too long: CN=5"},
	} {
		a := r.send(ctx, "Create", "", props("trust", "store.pem", test.certs))
		if a.Status != "FAILED" || !strings.Contains(a.Reason, test.reason) || a.PhysicalResourceID != "Store-not-created" {
			t.Errorf("%s: got %+v, want FAILED with %q", test.name, a, test.reason)
		}
	}
	if r.bucket.puts != 0 {
		t.Errorf("%d writes", r.bucket.puts)
	}
	// Four levels are fine, and so are remarks between certificates.
	if a := r.send(ctx, "Create", "", props("trust", "four.pem", "root\n"+strings.Join(long[:4], "below it:\r\n"))); a.Status != "SUCCESS" || r.bucket.body("four.pem") != strings.Join(long[:4], "") {
		t.Errorf("four levels: %+v", a)
	}

	for _, test := range []struct {
		properties any
		reason     string
	}{
		{5, "properties cannot be read"},
		{map[string]any{"TrustStoreBucket": []string{"x"}}, "properties cannot be read"},
		{props("", "k", r.certs()), "TrustStoreBucket is missing"},
		{props("../x", "k", r.certs()), "not the name of a bucket"},
		{props("trust", "", r.certs()), "TrustStoreKey is missing"},
		{props("trust", "a\nb", r.certs()), "TrustStoreKey is not a key"},
		{props("trust", strings.Repeat("k", 1025), r.certs()), "TrustStoreKey is not a key"},
	} {
		a := r.send(ctx, "Create", "", test.properties)
		r.wantFailed(a, test.reason)
		// CloudFormation then deletes what was not created.
		if gone := r.send(ctx, "Delete", a.PhysicalResourceID, test.properties); gone.Status != "SUCCESS" {
			t.Errorf("Delete after %q: %+v", test.reason, gone)
		}
	}
	r.wantFailed(r.send(ctx, "Replace", "x", props("trust", "k", r.certs())), "\"Replace\" is not known")
	if a := r.send(ctx, "Create", "", props("other", "k", r.certs())); a.Status != "FAILED" || !strings.Contains(a.Reason, "write s3://other/k: NoSuchBucket") || a.PhysicalResourceID != "s3://other/k" {
		t.Errorf("no bucket: %+v", a)
	}
	// A failed update keeps the id: it is no replacement.
	if a := r.send(ctx, "Update", "old", props("other", "k", r.certs())); a.Status != "FAILED" || a.PhysicalResourceID != "old" {
		t.Errorf("failed update: %+v", a)
	}
	r.bucket.deny = "all"
	denied := r.send(ctx, "Create", "", props("trust", "k", r.certs()))
	r.wantFailed(denied, "look at s3://trust/k: Forbidden")
	if gone := r.send(ctx, "Delete", denied.PhysicalResourceID, props("trust", "k", r.certs())); gone.Status != "SUCCESS" {
		t.Errorf("Delete after a Create that was denied: %+v", gone)
	}
	r.wantFailed(r.send(ctx, "Delete", "x", props("trust", "k", r.certs())), "look at s3://trust/k: Forbidden")
}

// Keys as long and as awkward as S3 allows still make answers that CloudFormation reads.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), context.Background()
	for _, key := range []string{strings.Repeat("k", 1024), strings.Repeat(`"`, 1024), strings.Repeat("é", 512), strings.Repeat("<", 1024)} {
		a := r.send(ctx, "Create", "", props("trust", key, r.certs()))
		if a.Status != "SUCCESS" || len(a.PhysicalResourceID) > 1024 || a.Data["TrustStoreUri"] != "s3://trust/"+key {
			t.Errorf("%.10s…: %+v", key, a)
		}
		r.wantFailed(r.send(ctx, "Create", "", props("other", key, r.certs())), "write s3://other/"+key[:100])
	}
	one, other := props("trust", strings.Repeat("k", 1023)+"1", r.certs()), props("trust", strings.Repeat("k", 1023)+"2", r.certs())
	if a, b := r.send(ctx, "Create", "", one), r.send(ctx, "Create", "", other); a.PhysicalResourceID == b.PhysicalResourceID {
		t.Error("two keys have the same id")
	}
}

// S3 does not answer: CloudFormation is told in time, by whatever was asked.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.bucket.delay = time.Minute
	for _, kind := range []string{"Create", "Update", "Delete"} {
		ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
		defer cancel()
		r.wantFailed(r.send(ctx, kind, "old", props("trust", "store.pem", r.certs())), "time ran out")
	}
}

// stuck is work that does not look at its context.
type stuck struct{ release chan struct{} }

func (s stuck) now() time.Time { <-s.release; return testTime() }

func TestStuckAndPanicking(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := stuck{make(chan struct{})}
	t.Cleanup(func() { close(s.release) })
	r.now = s.now
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	r.wantFailed(r.send(ctx, "Create", "", props("trust", "store.pem", r.certs())), "time ran out")
	r.wantKeys("")

	r = newRig(t) // the work of the first still has its clock
	r.now = func() time.Time { panic("broken clock") }
	r.wantFailed(r.send(context.Background(), "Create", "", props("trust", "store.pem", r.certs())), "broken clock")
	r.wantKeys("")
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		statuses []int
		tries    int
		fault    string
	}{
		{nil, 1, ""},
		{[]int{503, 500, 429}, 4, ""},
		{[]int{307}, 2, ""},
		{[]int{403}, 1, "status 403"},
		{[]int{204}, 1, "status 204"},
		{[]int{302}, 1, "status 302"}, // would become a GET, which delivers nothing
	} {
		r := newRig(t)
		r.desk.statuses = test.statuses
		e := &event{RequestID: "r", StackID: "s", LogicalResourceID: "l"}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := r.deliver(ctx, r.desk.url, e.failed(errors.New("x")))
		cancel()
		if r.desk.tries != test.tries || len(r.desk.faults) > 0 || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%v: %d tries, %v, faults %q", test.statuses, r.desk.tries, err, r.desk.faults)
		}
	}
	// Nobody listens: the error comes in time and keeps the URL to itself.
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r := newRig(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := r.deliver(ctx, gone.URL+"?X-Amz-Signature=secret", response{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestNotAnEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, data := range []string{`null`, `5`, `{}`, `{"ResponseURL":"http://x"}`, `{"ResponseURL":5}`, `{"RequestId":"r","StackId":"s","LogicalResourceId":"l"}`} {
		if err := r.handle(context.Background(), json.RawMessage(data)); err == nil || !strings.Contains(err.Error(), "no request of CloudFormation") {
			t.Errorf("%s: %v", data, err)
		}
	}
}

// Many certificates of one name do not make for endless work.
func TestSameNames(t *testing.T) {
	t.Parallel()
	var texts []string
	for range 110 {
		texts = append(texts, issue(t, "same", nil, nil).pem())
	}
	if _, err := join(texts, testTime()); !errors.Is(err, errTooManyChecks) {
		t.Errorf("got %v", err)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"RequestType":"Create","RequestId":"r","ResponseURL":"http://x","StackId":"s","LogicalResourceId":"l","ResourceProperties":{"TrustStoreBucket":"b","TrustStoreKey":"k","Certs":["x"]}}`))
	f.Add([]byte(`{"RequestId":"r","ResponseURL":"u","StackId":"s","LogicalResourceId":"l","ResourceProperties":{"TrustStoreBucket":"b","TrustStoreKey":"\ud800","Certs":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEvent(data)
		if err != nil {
			return
		}
		p, err := parseProperties(e.ResourceProperties)
		if err == nil && (p.bucket == "" || p.key == "" || len(p.certs) == 0 || len(p.physicalID()) > 1024) {
			t.Errorf("accepted %+v", p)
		}
		if len(e.StackID)+len(e.LogicalResourceID)+len(e.RequestID)+len(e.PhysicalResourceID) < 200 {
			if _, err := e.failed(errors.New(string(data))).encode(); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzJoin(f *testing.F) {
	root := issue(f, "root", nil, nil)
	sub := issue(f, "sub", root, nil)
	f.Add(sub.pem(), root.pem())
	f.Add(sub.pem()+root.pem(), "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "x")
	f.Fuzz(func(t *testing.T, one, other string) {
		out, err := join([]string{one, other}, testTime())
		if err != nil {
			return
		}
		again, err := join([]string{string(out)}, testTime())
		if err != nil || string(again) != string(out) {
			t.Errorf("what was joined is refused or changed: %v", err)
		}
	})
}
