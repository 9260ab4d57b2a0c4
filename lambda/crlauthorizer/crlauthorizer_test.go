package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"countersign/pki"
)

func TestDecisions(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl")
	revoked := issue(t, "revoked", r.sub, false)
	old := list(t, r.sub, testTime().Add(-time.Hour), revoked)
	r.shop.put("/sub.crl", old)
	r.want("valid", r.client.pem(), true, pki.Valid, "")
	r.want("revoked", revoked.pem(), false, pki.CRLHit, "was revoked at 2026-05-01T11:00:00Z (reason 1)")
	r.want("none", "", false, pki.Missing, "no certificate")
	r.want("no PEM", "hello", false, pki.Invalid, "not one block of PEM")
	r.want("two", r.client.pem()+r.sub.pem(), false, pki.Invalid, "not one block of PEM")
	r.want("a key", pki.EncodePEM(pki.PEMPrivateKey, []byte("x")), false, pki.Invalid, "not one block of PEM")
	r.want("garbage", pki.EncodePEM(pki.PEMCertificate, []byte("x")), false, pki.Invalid, "cannot be read")
	r.want("large", strings.Repeat(" ", maxCertificate+1), false, pki.Invalid, "the limit is")
	r.want("a stranger", issue(t, "stranger", nil, false).pem(), false, pki.Untrusted, "self-signed and not in the trust store")
	r.want("a stranger's CA of the same name", issue(t, "client", issue(t, "sub", nil, true), false).pem(), false, pki.Untrusted, "not signed by any certificate of")
	r.at = testTime().AddDate(2, 0, 0)
	r.want("expired", r.client.pem(), false, pki.Expired, "ended at")
}

// What no CRL comes of: refused by default, allowed only by the explicit setting.
func TestWithoutCRL(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		setting := map[bool]string{false: "refuse", true: "allow"}[allow]
		for _, test := range []struct {
			name, detail string
			prepare      func(*rig)
		}{
			{"none", "status 404", func(r *rig) { delete(r.shop.files, "/sub.crl") }},
			{"error", "status 503", func(r *rig) { r.shop.fail(503, false) }},
			{"redirect", "status 302", func(r *rig) { r.shop.fail(302, false); r.shop.put("/elsewhere", r.shop.files["/sub.crl"]) }},
			{"stalled", "deadline exceeded", func(r *rig) { r.shop.fail(0, true) }},
			{"garbage", "there is no CRL", func(r *rig) { r.shop.put("/sub.crl", []byte("<html>")) }},
			{"too large", "more than 2000 bytes", func(r *rig) { r.shop.put("/sub.crl", make([]byte, 2001)) }},
			{"of another CA", "not in the trust store", func(r *rig) { r.shop.put("/sub.crl", list(t, issue(t, "other", nil, true), testTime())) }},
			{"of the root only", "there is no CRL of \"CN=sub\"", func(r *rig) { r.shop.put("/sub.crl", list(t, r.root, testTime())) }},
			{"forged", "does not verify", func(r *rig) { r.shop.put("/sub.crl", list(t, issue(t, "sub", nil, true), testTime())) }},
			{"expired", "was to be replaced", func(r *rig) { r.shop.put("/sub.crl", list(t, r.sub, testTime().Add(-11*time.Hour))) }},
			{"of the future", "which is later", func(r *rig) { r.shop.put("/sub.crl", list(t, r.sub, testTime().Add(time.Minute))) }},
		} {
			t.Run(setting+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, "CRL=URL/sub.crl", "CRL_MAX_BYTES=2000", "WITHOUT_CRL="+setting)
				test.prepare(r)
				r.want("client", r.client.pem(), allow, pki.CRLProcessingError, test.detail)
				r.want("stranger", issue(t, "stranger", nil, false).pem(), false, pki.Untrusted, "")
			})
		}
	}
}

// A list that is out of date still revokes, whatever the setting.
func TestExpiredListRevokes(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl", "WITHOUT_CRL=allow")
	r.shop.put("/sub.crl", list(t, r.sub, testTime().Add(-20*time.Hour), r.client))
	r.want("revoked", r.client.pem(), false, pki.CRLHit, "")
}

func TestCache(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl") // from 11:00 to 21:00
	step := func(at string, allowed bool, reason pki.Reason, fetches int) {
		t.Helper()
		clock, err := time.Parse("15:04:05", at)
		if err != nil {
			t.Fatal(err)
		}
		r.at = time.Date(2026, 5, 1, clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
		r.want(at, r.client.pem(), allowed, reason, "")
		if got := r.shop.count("/sub.crl"); got != fetches {
			t.Errorf("%s: %d fetches, want %d", at, got, fetches)
		}
	}
	step("12:00:00", true, pki.Valid, 1)
	step("20:54:59", true, pki.Valid, 1)
	r.shop.fail(503, false)
	step("20:55:00", true, pki.Valid, 2) // due: fails, and again after 1 s, 2 s, 4 s
	step("20:55:00", true, pki.Valid, 2)
	step("20:55:01", true, pki.Valid, 3)
	step("20:55:02", true, pki.Valid, 3)
	step("20:55:03", true, pki.Valid, 4)
	step("20:55:06", true, pki.Valid, 4)
	step("20:55:07", true, pki.Valid, 5)
	step("21:00:00", true, pki.Valid, 6)
	step("21:00:01", false, pki.CRLProcessingError, 6) // out of date, and not yet time to try
	step("21:00:16", false, pki.CRLProcessingError, 7)
	step("21:00:25", false, pki.CRLProcessingError, 7)
	step("21:00:26", false, pki.CRLProcessingError, 8) // ten seconds at most now
	r.shop.fail(0, false)
	step("21:00:36", false, pki.CRLProcessingError, 9) // the same old list
	r.shop.put("/sub.crl", list(t, r.sub, time.Date(2026, 5, 1, 20, 0, 0, 0, time.UTC), issue(t, "x", r.sub, false)))
	step("21:00:46", true, pki.Valid, 10)
	step("23:59:00", true, pki.Valid, 10)
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl", "CRL_MAX_AGE=15m")
	r.want("at first", r.client.pem(), true, pki.Valid, "")
	r.shop.put("/sub.crl", list(t, r.sub, testTime(), r.client))
	r.at = testTime().Add(15*time.Minute - time.Second)
	r.want("not yet noticed", r.client.pem(), true, pki.Valid, "")
	r.at = testTime().Add(15 * time.Minute)
	r.want("noticed", r.client.pem(), false, pki.CRLHit, "")
	// The list from before the revocation, signed and current, comes again.
	r.shop.put("/sub.crl", list(t, r.sub, testTime().Add(-time.Hour)))
	r.at = testTime().Add(30 * time.Minute)
	r.want("replayed", r.client.pem(), false, pki.CRLHit, "")
	if got := r.shop.count("/sub.crl"); got != 3 {
		t.Errorf("%d fetches, want 3", got)
	}
}

func TestSeveralLists(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/both.pem s3://crls/third.crl")
	other := issue(t, "other", r.root, true)
	r.configure("CRL=URL/both.pem s3://crls/third.crl", "TRUST_STORE="+r.root.pem()+r.sub.pem()+other.pem())
	foreign := list(t, issue(t, "foreign", nil, true), testTime())
	r.shop.put("/both.pem", []byte(pki.EncodePEM(pki.PEMCRL, foreign)+pki.EncodePEM(pki.PEMCRL, list(t, r.sub, testTime()))+pki.EncodePEM(pki.PEMCRL, list(t, r.root, testTime()))))
	r.shop.put("/crls/third.crl", list(t, other, testTime()))
	r.want("of sub", r.client.pem(), true, pki.Valid, "")
	r.want("of other", issue(t, "c", other, false).pem(), true, pki.Valid, "")
	if r.shop.signed != 1 {
		t.Errorf("%d signed requests, want the one for S3", r.shop.signed)
	}
}

func TestDistributionPoints(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.want("not there", r.client.pem(), false, pki.CRLProcessingError, "status 404")
	r.at = r.at.Add(time.Minute)
	r.shop.put("/point.crl", list(t, r.sub, testTime()))
	r.want("there", r.client.pem(), true, pki.Valid, "")
	second := issue(t, "second", r.sub, false, "ldap://x/y", "s3://crls/x", r.shop.url+"/none.crl", r.shop.url+"/point.crl")
	r.want("by its fourth point", second.pem(), true, pki.Valid, "")
	r.want("no point", issue(t, "none", r.sub, false).pem(), false, pki.CRLProcessingError, "names no distribution point")
	r.want("ldap", issue(t, "ldap", r.sub, false, "ldap://x/y").pem(), false, pki.CRLProcessingError, "with http or https")
	r.want("s3", issue(t, "s3", r.sub, false, "s3://crls/x").pem(), false, pki.CRLProcessingError, "is not http or https")
	r.want("a stranger's point", issue(t, "evil", nil, false, r.shop.url+"/evil.crl").pem(), false, pki.Untrusted, "")
	if r.shop.count("/evil.crl") != 0 {
		t.Error("a stranger had a URL fetched")
	}

	// In S3: read as the function's role, or as anybody where that may not.
	bucket := issue(t, "bucket", r.sub, false, "http://crls.s3.eu-west-1.amazonaws.com/crl/a.crl")
	r.shop.put("/crls/crl/a.crl", list(t, r.sub, testTime()))
	r.want("in S3", bucket.pem(), true, pki.Valid, "")
	if r.shop.signed != 1 {
		t.Errorf("%d signed requests, want 1", r.shop.signed)
	}
	r.a.lists.fetch = (&fetcher{s3: s3Of(r), http: roundTrip(func(q *http.Request) (*http.Response, error) {
		return http.Get(r.shop.url + "/" + strings.Split(q.URL.Host, ".")[0] + q.URL.Path)
	})}).fetch
	r.shop.denied = true
	public := issue(t, "public", r.sub, false, "http://crls.s3.eu-west-1.amazonaws.com/crl/b.crl")
	r.shop.put("/crls/crl/b.crl", list(t, r.sub, testTime(), public))
	r.want("in a public bucket", public.pem(), false, pki.CRLHit, "")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// CAs between the client's and the root are looked up too.
func TestRevokedCA(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sub := issue(t, "pointed", r.root, true, r.shop.url+"/root.crl")
	client := issue(t, "client", sub, false, r.shop.url+"/pointed.crl")
	for _, setting := range []string{"refuse", "allow"} {
		r.configure("TRUST_STORE="+r.root.pem()+sub.pem(), "WITHOUT_CRL="+setting)
		r.shop.put("/pointed.crl", list(t, sub, testTime()))
		r.shop.put("/root.crl", nil)
		r.want("no list of the root", client.pem(), setting == "allow", pki.CRLProcessingError, "certificate \"CN=pointed\" cannot be checked")
		r.configure("TRUST_STORE="+r.root.pem()+sub.pem(), "WITHOUT_CRL="+setting)
		r.shop.put("/root.crl", list(t, r.root, testTime()))
		r.want("good", client.pem(), true, pki.Valid, "")
		// Revoked, and the client's own list does not come.
		r.configure("TRUST_STORE="+r.root.pem()+sub.pem(), "WITHOUT_CRL="+setting)
		r.shop.put("/pointed.crl", nil)
		r.shop.put("/root.crl", list(t, r.root, testTime(), sub))
		r.want("revoked", client.pem(), false, pki.CRLHit, "CN=pointed")
	}
}

func TestTrustStores(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl", "TRUST_STORE=s3://trust/store.pem")
	r.want("none yet", r.client.pem(), false, TrustStoreUnavailable, "read the trust store")
	r.shop.put("/trust/store.pem", []byte("nothing"))
	r.at = r.at.Add(time.Second)
	r.want("no PEM", r.client.pem(), false, TrustStoreUnavailable, "no certificate in PEM")
	r.shop.put("/trust/store.pem", []byte(r.sub.pem()+r.root.pem()))
	r.want("too early", r.client.pem(), false, TrustStoreUnavailable, "no certificate in PEM")
	r.at = r.at.Add(time.Second)
	r.want("there", r.client.pem(), true, pki.Valid, "")
	delete(r.shop.files, "/trust/store.pem")
	r.at = r.at.Add(trustAge)
	r.want("gone, kept", r.client.pem(), true, pki.Valid, "")
	r.shop.put("/trust/store.pem", []byte(issue(t, "another", nil, true).pem()))
	r.at = r.at.Add(trustRetry)
	r.want("replaced", r.client.pem(), false, pki.Untrusted, "")

	r.configure("CRL=URL/sub.crl", "TRUST_STORE="+r.sub.pem())
	r.want("the issuer alone", r.client.pem(), true, pki.Valid, "")
	own := issue(t, "own", nil, false)
	r.configure("CRL=URL/sub.crl", "TRUST_STORE="+own.pem())
	r.want("a member of the store", own.pem(), false, pki.CRLProcessingError, "in the trust store itself")
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl")
	revoked := issue(t, "revoked", r.sub, false)
	r.shop.put("/sub.crl", list(t, r.sub, testTime(), revoked))
	for _, setting := range []string{"policy", "simple"} {
		r.configure("CRL=URL/sub.crl", "RESPONSE="+setting)
		for _, version := range []string{"1.0", "2.0", "REST"} {
			for _, c := range []*made{r.client, revoked} {
				got, err := r.ask(event(version, c.pem()))
				if err != nil {
					t.Fatal(err)
				}
				serial, reason, effect, detail := pki.SerialHex(c.SerialNumber), "Valid", "Allow", ""
				if c == revoked {
					reason, effect, detail = "ClientCertCrlHit", "Deny", `certificate \"CN=revoked\" was revoked at 2026-05-01T12:00:00Z (reason 1)`
				}
				context := fmt.Sprintf(`"context":{"detail":"%s","issuer":"CN=sub","reason":%q,"serial":%q,"subject":"CN=%s"}`, detail, reason, serial, c.Subject.CommonName)
				want := fmt.Sprintf(`{"principalId":%q,"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":%q,"Resource":"arn:aws:execute-api:eu-west-1:000000000000:abcdef1234/$default/*"}]},%s}`, serial, effect, context)
				if setting == "simple" && version == "2.0" {
					want = fmt.Sprintf(`{"isAuthorized":%v,%s}`, effect == "Allow", context)
				}
				if got != want {
					t.Errorf("%s, format %s:\ngot  %s\nwant %s", setting, version, got, want)
				}
			}
			none := strings.Replace(event(version, "x"), `{"clientCertPem":"x"`, `{"other":"x"`, 1)
			got, err := r.ask(none)
			if err != nil || !strings.Contains(got, "ClientCertMissing") || strings.Contains(got, "Allow") || strings.Contains(got, "true") {
				t.Errorf("%s, format %s, no certificate: %s %v", setting, version, got, err)
			}
		}
	}
}

func TestNotAnEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl")
	good := event("1.0", r.client.pem())
	for data, text := range map[string]string{
		`5`:                                     "no event of an authorizer",
		`{}`:                                    "its type is \"\"",
		`{"type":"TOKEN"}`:                      "its type is \"TOKEN\"",
		`{"type":"REQUEST","version":"3.0"}`:    "\"3.0\" is not known",
		`{"type":"REQUEST","requestContext":5}`: "no event of an authorizer",
		`{"type":"REQUEST"}`:                    "not that of a route or method",
		strings.Replace(good, ":abcdef1234/$default/GET/pets/1", "", 1):        "not that of a route or method",
		strings.Replace(good, ":abcdef1234/$default/GET/pets/1", ":a/b", 1):    "not that of a route or method",
		strings.Replace(good, ":abcdef1234/$default/GET/pets/1", ":/b/GET", 1): "not that of a route or method",
		strings.Replace(good, ":abcdef1234/$default/", ":abcdef1234/*/", 1):    "not that of a route or method",
	} {
		if out, err := r.ask(data); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %s, %v; want %q", data, out, err, text)
		}
	}
}

// The answer comes before the function's time is up.
func TestDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, "CRL=URL/sub.crl", "CRL_TIMEOUT=1m")
	r.shop.fail(0, true)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	out, err := r.a.handle(ctx, json.RawMessage(event("1.0", r.client.pem())))
	if a, ok := out.(answer); err != nil || ctx.Err() != nil || !ok || a.PolicyDocument.Statement[0].Effect != "Deny" {
		t.Errorf("got %+v, %v, %v", out, err, ctx.Err())
	}
}

// Certificates cannot fill the memory with places.
func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range maxPlaces + 10 {
		r.at = r.at.Add(time.Second)
		r.want("client", issue(t, "c", r.sub, false, fmt.Sprintf("%s/%d", r.shop.url, i)).pem(), false, pki.CRLProcessingError, "")
	}
	if _, first := r.a.lists.places[r.shop.url+"/0"]; first || len(r.a.lists.places) != maxPlaces {
		t.Errorf("%d places, the oldest among them: %v", len(r.a.lists.places), first)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	pem := issue(t, "root", nil, true).pem()
	for _, test := range []struct{ env, fault string }{
		{"", "TRUST_STORE is not set"},
		{"TRUST_STORE=s3://bucket", "not s3://bucket/key"},
		{"TRUST_STORE=hello", "no certificate in PEM"},
		{"TRUST_STORE=s3://b/k|CRL=ftp://x/y", "neither s3://bucket/key nor a URL"},
		{"TRUST_STORE=s3://b/k|CRL=s3:///y", "not s3://bucket/key"},
		{"TRUST_STORE=s3://b/k|RESPONSE=Simple", "want policy or simple"},
		{"TRUST_STORE=s3://b/k|WITHOUT_CRL=true", "want refuse or allow"},
		{"TRUST_STORE=s3://b/k|CRL_MAX_AGE=15", "CRL_MAX_AGE"},
		{"TRUST_STORE=s3://b/k|CRL_TIMEOUT=-1s", "CRL_TIMEOUT"},
		{"TRUST_STORE=s3://b/k|CRL_MAX_BYTES=1000000000", "CRL_MAX_BYTES"},
		{"TRUST_STORE=" + pem + "|CRL=s3://b/k  https://x/y|RESPONSE=simple|WITHOUT_CRL=allow|CRL_MAX_AGE=1h|CRL_TIMEOUT=1s|CRL_MAX_BYTES=5", ""},
	} {
		values := map[string]string{}
		for e := range strings.SplitSeq(test.env, "|") {
			name, value, _ := strings.Cut(e, "=")
			values[name] = value
		}
		c, err := parseConfig(func(name string) string { return values[name] })
		if test.fault != "" {
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s: got %v, want %q", test.env, err, test.fault)
			}
			continue
		}
		if err != nil || len(c.trusted.Certificates()) != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		c.trusted = nil
		if want := (&config{nil, "", []string{"s3://b/k", "https://x/y"}, true, true, time.Hour, time.Second, 5}); !reflect.DeepEqual(c, want) {
			t.Errorf("got %+v, want %+v", c, want)
		}
	}
}

func TestS3Places(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]string{
		"http://crls.s3.eu-west-1.amazonaws.com/crl/a.crl":       "crls crl/a.crl eu-west-1",
		"http://my.crls.s3.amazonaws.com/crl/a%20b.crl":          "my.crls crl/a b.crl ",
		"https://s3.eu-west-1.amazonaws.com/crls/crl/a.crl":      "crls crl/a.crl eu-west-1",
		"http://crls.s3.cn-north-1.amazonaws.com.cn/a":           "crls a cn-north-1",
		"http://crls.s3.eu-west-1.amazonaws.com/":                "",
		"http://s3.eu-west-1.amazonaws.com/crls":                 "",
		"http://crls.s3.eu-west-1.amazonaws.com/a?x=1":           "",
		"http://crls.s3.eu-west-1.amazonaws.com:8080/a":          "",
		"http://crls.s3.eu-west-1.amazonaws.com.example.com/a":   "",
		"http://example.com/crls.s3.eu-west-1.amazonaws.com/a":   "",
		"http://notas3.eu-west-1.amazonaws.com/a":                "",
		"http://crls.s3.dualstack.eu-west-1.amazonaws.com/crl/a": "",
	} {
		u, err := url.Parse(place)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if bucket, key, region, ok := s3Place(u); ok {
			got = bucket + " " + key + " " + region
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", place, got, want)
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, version := range []string{"1.0", "2.0", "REST"} {
		f.Add([]byte(event(version, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRequest(data)
		if err != nil {
			return
		}
		for _, simple := range []bool{false, true} {
			out, err := answerFor(r, decision{reason: pki.Missing}, simple)
			if err != nil {
				continue
			}
			if a, ok := out.(answer); ok && (a.PolicyDocument.Statement[0].Effect != "Deny" || strings.Count(a.PolicyDocument.Statement[0].Resource, "*") != 1) {
				t.Errorf("%q: %+v", data, a)
			}
		}
	})
}

func FuzzCertificate(f *testing.F) {
	r := newRig(f, "CRL=s3://none/none")
	crl := list(f, r.sub, testTime())
	r.a.lists.fetch = func(context.Context, string, int64) ([]byte, error) { return crl, nil }
	f.Add(r.client.pem())
	f.Add(issue(f, "stranger", nil, false).pem())
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := r.a.decide(context.Background(), text)
		// Only what the rig's CA signed gets in: a changed signature would be a find.
		if d.allowed && !strings.Contains(d.issuer, "CN=sub") || d.reason == "" {
			t.Errorf("%q: %+v", text, d)
		}
	})
}

func FuzzLists(f *testing.F) {
	root := issue(f, "root", nil, true)
	store := pki.NewTrustStore(root.Certificate)
	f.Add(list(f, root, testTime(), root))
	f.Add([]byte(pki.EncodePEM(pki.PEMCRL, list(f, root, testTime()))))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		crls, err := readLists(data, store)
		if err == nil && len(crls) == 0 {
			t.Error("no list and no error")
		}
		for _, c := range crls {
			if c.CheckSignature(root.Certificate) != nil {
				t.Error("a list without a valid signature was taken")
			}
		}
	})
}
