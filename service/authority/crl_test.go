package authority

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"

	"countersign/pki"
	"countersign/store"
	"countersign/store/storetest"
)

// memoryBuckets are buckets that keep what was delivered, in order.
type memoryBuckets struct {
	mu      sync.Mutex
	objects map[string][]byte // by URL path: <bucket>/<key>
	acls    map[string]string
	writes  []string
	lacking string
	err     error
}

func (m *memoryBuckets) CheckDelivery(_ context.Context, d Delivery) (region, lacking string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.Service != "acm-pca.amazonaws.com" || !strings.HasPrefix(d.Source, "arn:aws:acm-pca:") {
		return "", "", errors.New("not from an authority")
	}
	return testRegion, m.lacking, m.err
}

func (m *memoryBuckets) Deliver(ctx context.Context, d Delivery, contentType string, body io.Reader, size int64) (string, error) {
	if _, lacking, err := m.CheckDelivery(ctx, d); lacking != "" || err != nil {
		return lacking, err
	}
	all, err := io.ReadAll(body)
	if err != nil || int64(len(all)) != size || contentType != "application/pkix-crl" {
		return "", errors.Join(err, errors.New("not as announced"))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects, m.acls = map[string][]byte{}, map[string]string{}
	}
	name := d.Bucket + "/" + d.Key
	m.objects[name], m.acls[name] = all, d.ACL
	m.writes = append(m.writes, name)
	return "", nil
}

func (m *memoryBuckets) refuse(lacking string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lacking, m.err = lacking, err
}

func (m *memoryBuckets) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.writes)
}

// fetch reads a list by its URL, as a client does.
func (m *memoryBuckets) fetch(t testing.TB, url string) *x509.RevocationList {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	host, key, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	bucket, _, _ := strings.Cut(host, ".s3.")
	der, ok := m.objects[bucket+"/"+key]
	if !ok {
		t.Fatalf("%s: there is no such list; there are %v", url, m.writes)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func newCRLBench(t testing.TB) (*bench, *memoryBuckets) {
	t.Helper()
	b := newBench(t)
	m := &memoryBuckets{}
	b.config.Buckets = m
	b.Service = New(b.config)
	return b, m
}

func crlOf(bucket string, change ...func(*types.CrlConfiguration)) *types.RevocationConfiguration {
	c := &types.CrlConfiguration{Enabled: aws.Bool(true), S3BucketName: &bucket, ExpirationInDays: aws.Int32(10)}
	for _, f := range change {
		f(c)
	}
	return &types.RevocationConfiguration{CrlConfiguration: c}
}

func partitioned(c *types.CrlConfiguration) { c.CrlType = types.CrlTypePartitioned }

// revoking makes a root whose CRLs are configured as given.
func (b *bench) revoking(t testing.TB, config *types.RevocationConfiguration) string {
	t.Helper()
	in := createInput(types.CertificateAuthorityTypeRoot, "revoking root")
	in.RevocationConfiguration = config
	ca := b.create(t, in)
	b.bootstrap(t, ca)
	return ca
}

// bootstrap lets a root sign itself.
func (b *bench) bootstrap(t testing.TB, ca string) {
	t.Helper()
	signing := types.SigningAlgorithmSha256withecdsa
	d, err := b.DescribeCertificateAuthority(caller(t.Context()), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatal(err)
	}
	if d.CertificateAuthority.CertificateAuthorityConfiguration.SigningAlgorithm != "" {
		signing = d.CertificateAuthority.CertificateAuthorityConfiguration.SigningAlgorithm
	}
	issued, err := b.IssueCertificate(caller(t.Context()), &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: b.csr(t, ca),
		SigningAlgorithm: signing, TemplateArn: template1("RootCACertificate"), Validity: years(10)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: issued.CertificateArn})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ImportCertificateAuthorityCertificate(caller(t.Context()), &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(*c.Certificate)}); err != nil {
		t.Fatal(err)
	}
}

// leafOf issues a certificate of a number of days.
func (b *bench) leafOf(t testing.TB, ca string, signing types.SigningAlgorithm, n int64) *x509.Certificate {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"leaf.example"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := b.IssueCertificate(caller(t.Context()), &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, SigningAlgorithm: signing,
		Csr: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), Validity: days(n)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.GetCertificate(caller(t.Context()), &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: issued.CertificateArn})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(*c.Certificate))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (b *bench) strike(t testing.TB, ca string, c *x509.Certificate, reason types.RevocationReason) {
	t.Helper()
	if _, err := b.RevokeCertificate(caller(t.Context()), &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca,
		CertificateSerial: aws.String(pki.SerialColons(c.SerialNumber)), RevocationReason: reason}); err != nil {
		t.Fatal(err)
	}
}

// publish runs the job and returns when it wants to run again.
func (b *bench) publish(t testing.TB) time.Time {
	t.Helper()
	next, err := b.PublishCRLs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

const ecdsa256 = types.SigningAlgorithmSha256withecdsa

func TestCompleteCRL(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	ca := b.revoking(t, crlOf("crls"))
	if b.publish(t); m.written() != 0 {
		t.Fatalf("written before there is a certificate that names the list: %v", m.writes)
	}
	one, two := b.leafOf(t, ca, ecdsa256, 30), b.leafOf(t, ca, ecdsa256, 300)
	id := ca[strings.LastIndex(ca, "/")+1:]
	url := "http://crls.s3." + testRegion + ".amazonaws.com/crl/" + id + ".crl"
	if !slices.Equal(one.CRLDistributionPoints, []string{url}) || !slices.Equal(two.CRLDistributionPoints, []string{url}) {
		t.Fatalf("distribution points %v, want %s", one.CRLDistributionPoints, url)
	}
	next := b.publish(t)
	list := m.fetch(t, url)
	now := b.clock.Now()
	if len(list.RevokedCertificateEntries) != 0 || list.Number.Int64() != now.UnixMilli() || !list.ThisUpdate.Equal(now.Add(-time.Hour)) ||
		!list.NextUpdate.Equal(now.Add(240*time.Hour)) || !next.Equal(now.Add(120*time.Hour)) || m.acls["crls/crl/"+id+".crl"] != "public-read" {
		t.Errorf("the first list: %d entries, number %v, %v to %v, next at %v, ACLs %v", len(list.RevokedCertificateEntries), list.Number, list.ThisUpdate, list.NextUpdate, next, m.acls)
	}
	if err := list.CheckSignatureFrom(b.certificateOf(t, ca)); err != nil {
		t.Error(err)
	}
	b.publish(t)
	if m.written() != 1 {
		t.Errorf("written again with nothing to do: %v", m.writes)
	}

	b.clock.Add(time.Hour)
	b.strike(t, ca, one, types.RevocationReasonKeyCompromise)
	b.publish(t)
	list = m.fetch(t, url)
	if e := list.RevokedCertificateEntries; len(e) != 1 || e[0].SerialNumber.Cmp(one.SerialNumber) != 0 || e[0].ReasonCode != 1 || !e[0].RevocationTime.Equal(b.clock.Now()) {
		t.Errorf("after a revocation: %+v", e)
	}
	// Another one right after it waits for a moment, and for no more than that.
	b.clock.Add(time.Second)
	b.strike(t, ca, two, types.RevocationReasonUnspecified)
	if next := b.publish(t); m.written() != 2 || next.Sub(b.clock.Now()) != time.Second {
		t.Errorf("%d lists, the next in %v; want 2 and a second", m.written(), next.Sub(b.clock.Now()))
	}
	b.clock.Add(time.Second)
	b.publish(t)
	list = m.fetch(t, url)
	if len(list.RevokedCertificateEntries) != 2 || m.written() != 3 {
		t.Errorf("%d entries in list %d, want both in the third", len(list.RevokedCertificateEntries), m.written())
	}

	// Half of its life later it is written again; numbers only rise, though the clock goes back.
	b.clock.Add(120 * time.Hour)
	b.publish(t)
	number := m.fetch(t, url).Number
	b.clock.Add(-24 * time.Hour)
	b.strike(t, ca, b.leafOf(t, ca, ecdsa256, 1), types.RevocationReasonSuperseded)
	b.clock.Add(3 * time.Second)
	b.publish(t)
	if again := m.fetch(t, url); m.written() != 5 || again.Number.Cmp(number) <= 0 {
		t.Errorf("list %d has number %v after %v", m.written(), again.Number, number)
	}
	statuses, err := b.CRLs(t.Context())
	if err != nil || len(statuses) != 1 || statuses[0].URL != url || statuses[0].Entries != 3 || statuses[0].Failure != "" || statuses[0].Authority != ca {
		t.Errorf("CRLs: %+v %v", statuses, err)
	}
}

// certificateOf is an authority's own certificate.
func (b *bench) certificateOf(t testing.TB, ca string) *x509.Certificate {
	t.Helper()
	out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(*out.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExpiredLeaveCRL follows RFC 5280 section 3.3: not before the certificate
// was on a regular list after it had expired.
func TestExpiredLeaveCRL(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	ca := b.revoking(t, crlOf("crls"))
	short, long := b.leafOf(t, ca, ecdsa256, 6), b.leafOf(t, ca, ecdsa256, 300)
	b.strike(t, ca, short, types.RevocationReasonKeyCompromise)
	b.publish(t)
	entries := func() int { return len(m.fetch(t, long.CRLDistributionPoints[0]).RevokedCertificateEntries) }
	for _, step := range []struct {
		days int
		want int
	}{{5, 1}, {5, 1}, {5, 0}} { // regular lists after 5, 10 and 15 days; it expires after 6
		b.clock.Add(time.Duration(step.days) * 24 * time.Hour)
		b.publish(t)
		if got := entries(); got != step.want {
			t.Errorf("%v after the beginning: %d entries, want %d", b.clock.Now(), got, step.want)
		}
	}
	b.strike(t, ca, long, types.RevocationReasonKeyCompromise)
	b.clock.Add(time.Hour)
	if b.publish(t); entries() != 1 {
		t.Errorf("%d entries, want the new one only", entries())
	}
}

func TestRefusedCRL(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	ca := b.revoking(t, crlOf("crls"))
	leaf := b.leafOf(t, ca, ecdsa256, 30)
	m.refuse("s3:PutObject", nil)
	start := b.clock.Now()
	for i, pause := range []time.Duration{1, 2, 4, 8, 15, 15} {
		next := b.publish(t)
		if got := next.Sub(b.clock.Now()); got != pause*time.Minute {
			t.Errorf("attempt %d: the next one in %v, want %v minutes", i+1, got, int(pause))
		}
		statuses, err := b.CRLs(t.Context())
		if err != nil || len(statuses) != 1 || statuses[0].Attempts != i+1 || !strings.Contains(statuses[0].Failure, "s3:PutObject") {
			t.Errorf("CRLs: %+v %v", statuses, err)
		}
		b.clock.Add(time.Second)
		b.strike(t, ca, b.leafOf(t, ca, ecdsa256, 30), types.RevocationReasonSuperseded) // issuing and revoking go on
		if again := b.publish(t); !again.Equal(next) {
			t.Errorf("a revocation moved the next attempt from %v to %v", next, again)
		}
		b.clock.Add(pause*time.Minute - time.Second)
	}
	m.refuse("", &smithy.GenericAPIError{Code: "NoSuchBucket", Message: "gone"})
	b.publish(t)
	m.refuse("", errors.New("disk on fire"))
	b.clock.Add(15 * time.Minute)
	b.publish(t) // a fault of our own does not keep the other lists from being written
	if statuses, err := b.CRLs(t.Context()); err != nil || !strings.Contains(statuses[0].Failure, "disk on fire") {
		t.Errorf("CRLs: %+v %v", statuses, err)
	}
	m.refuse("", nil)
	b.clock.Add(15 * time.Minute)
	b.publish(t)
	list := m.fetch(t, leaf.CRLDistributionPoints[0])
	if len(list.RevokedCertificateEntries) != 6 || list.Number.Int64() <= start.UnixMilli() {
		t.Errorf("in the end %d entries, number %v", len(list.RevokedCertificateEntries), list.Number)
	}
	if statuses, err := b.CRLs(t.Context()); err != nil || statuses[0].Failure != "" || statuses[0].Attempts != 0 {
		t.Errorf("CRLs: %+v %v", statuses, err)
	}
	// A change of the configuration does not wait for the pause.
	m.refuse("s3:PutObject", nil)
	b.strike(t, ca, leaf, types.RevocationReasonSuperseded)
	b.clock.Add(3 * time.Second)
	b.publish(t)
	m.refuse("", nil)
	before := m.written()
	b.update(t, ca, crlOf("others"))
	if b.publish(t); m.written() != before+1 || !strings.HasPrefix(m.writes[before], "others/") {
		t.Errorf("after another bucket: %v", m.writes)
	}
}

func (b *bench) update(t testing.TB, ca string, config *types.RevocationConfiguration) {
	t.Helper()
	if _, err := b.UpdateCertificateAuthority(caller(t.Context()), &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, RevocationConfiguration: config}); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionedCRL(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	ca := b.revoking(t, crlOf("crls", partitioned, func(c *types.CrlConfiguration) { c.CustomPath = aws.String("a/b") }))
	byURL := map[string][]*x509.Certificate{}
	var leaves []*x509.Certificate
	for range 40 {
		c := b.leafOf(t, ca, ecdsa256, 300)
		url := c.CRLDistributionPoints[0]
		if !strings.HasPrefix(url, "http://crls.s3."+testRegion+".amazonaws.com/a/b/") || len(url) != len("http://crls.s3."+testRegion+".amazonaws.com/a/b/")+36+4 {
			t.Fatalf("a distribution point of a partition: %s", url)
		}
		leaves, byURL[url] = append(leaves, c), append(byURL[url], c)
	}
	b.publish(t)
	if m.written() != len(byURL) {
		t.Errorf("%d lists for %d partitions", m.written(), len(byURL))
	}
	before := m.written()
	b.clock.Add(time.Hour)
	b.strike(t, ca, leaves[0], types.RevocationReasonKeyCompromise)
	b.publish(t)
	if m.written() != before+1 {
		t.Errorf("one revocation wrote %d lists", m.written()-before)
	}
	issuer := b.certificateOf(t, ca)
	for url, certs := range byURL {
		m.mu.Lock()
		der := m.objects["crls/"+strings.TrimPrefix(url, "http://crls.s3."+testRegion+".amazonaws.com/")]
		m.mu.Unlock()
		list, err := pki.ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range certs {
			// The verifier demands that the critical scope names what the certificate does.
			v := pki.CheckRevocation([]*x509.Certificate{c, issuer}, pki.NewCRLSet(list), b.clock.Now())
			if revoked := c == leaves[0]; v.Valid() == revoked {
				t.Errorf("%x: %+v, want revoked %v", c.SerialNumber, v, revoked)
			}
		}
		for other, more := range byURL {
			if other != url && pki.CheckRevocation([]*x509.Certificate{more[0], issuer}, pki.NewCRLSet(list), b.clock.Now()).Valid() {
				t.Errorf("the list %s passes for a certificate of %s", url, other)
			}
		}
	}
	// The partition stays the certificate's through other configurations.
	b.update(t, ca, crlOf("crls", func(c *types.CrlConfiguration) { c.CustomPath = aws.String("a/b") }))
	b.update(t, ca, crlOf("crls", partitioned, func(c *types.CrlConfiguration) { c.CustomPath = aws.String("a/b") }))
	r, err := b.load(caller(t.Context()), &ca)
	if err != nil {
		t.Fatal(err)
	}
	var serial store.Serial
	leaves[1].SerialNumber.FillBytes(serial[:])
	if got := r.CRL.point(r.ID, serial); got != leaves[1].CRLDistributionPoints[0] {
		t.Errorf("a certificate's partition moved from %s to %s", leaves[1].CRLDistributionPoints[0], got)
	}
}

// TestSwitchToPartitioned keeps the complete list for the certificates that
// name it, with a scope as all lists have then.
func TestSwitchToPartitioned(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	ca := b.revoking(t, crlOf("crls"))
	old := b.leafOf(t, ca, ecdsa256, 300)
	b.publish(t)
	b.clock.Add(time.Hour)
	b.update(t, ca, crlOf("crls", partitioned))
	fresh := b.leafOf(t, ca, ecdsa256, 300)
	b.strike(t, ca, old, types.RevocationReasonKeyCompromise)
	b.publish(t)
	issuer := b.certificateOf(t, ca)
	for _, c := range []*x509.Certificate{old, fresh} {
		list, err := pki.ParseCRL(m.fetch(t, c.CRLDistributionPoints[0]).Raw)
		if err != nil {
			t.Fatal(err)
		}
		if v := pki.CheckRevocation([]*x509.Certificate{c, issuer}, pki.NewCRLSet(list), b.clock.Now()); v.Valid() != (c == fresh) {
			t.Errorf("%s: %+v", c.CRLDistributionPoints[0], v)
		}
	}
	if old.CRLDistributionPoints[0] == fresh.CRLDistributionPoints[0] {
		t.Error("the new certificate names the old list")
	}
	// Back to complete: only that one goes on.
	b.clock.Add(time.Hour)
	b.update(t, ca, crlOf("crls"))
	before := m.written()
	b.publish(t)
	if m.written() != before+1 || !strings.HasSuffix(old.CRLDistributionPoints[0], strings.TrimPrefix(m.writes[before], "crls/")) {
		t.Errorf("back to complete wrote %v", m.writes[before:])
	}
}

func TestCRLConfigurations(t *testing.T) {
	t.Parallel()
	b, m := newCRLBench(t)
	create := func(config *types.RevocationConfiguration) error {
		in := createInput(types.CertificateAuthorityTypeRoot, "root")
		in.RevocationConfiguration = config
		_, err := b.CreateCertificateAuthority(caller(t.Context()), in)
		return err
	}
	set := func(f func(*types.CrlConfiguration)) *types.RevocationConfiguration { return crlOf("crls", f) }
	for text, config := range map[string]*types.RevocationConfiguration{
		"must have an S3BucketName":      set(func(c *types.CrlConfiguration) { c.S3BucketName = nil }),
		"1 to 5000":                      set(func(c *types.CrlConfiguration) { c.ExpirationInDays = aws.Int32(5001) }),
		"the CrlType":                    set(func(c *types.CrlConfiguration) { c.CrlType = "DELTA" }),
		"without a protocol prefix":      set(func(c *types.CrlConfiguration) { c.CustomCname = aws.String("http://crl.example") }),
		"OmitExtension cannot be used":   set(func(c *types.CrlConfiguration) { c.CustomCname = aws.String("crl.example"); omit(c) }),
		"the CustomPath":                 set(func(c *types.CrlConfiguration) { c.CustomPath = aws.String("a/../b") }),
		"the S3ObjectAcl":                set(func(c *types.CrlConfiguration) { c.S3ObjectAcl = "PRIVATE" }),
		"must not have any other member": {CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(false), CustomPath: aws.String("a")}},
	} {
		wantError(t, create(config), "InvalidArgsException", text)
	}
	m.refuse("s3:GetBucketAcl", nil)
	wantError(t, create(crlOf("crls")), "InvalidPolicyException", "requires 's3:GetBucketAcl' permissions for your S3 bucket 'crls'")
	m.refuse("", &smithy.GenericAPIError{Code: "NoSuchBucket", Message: "The specified bucket does not exist"})
	wantError(t, create(crlOf("crls")), "InvalidArgsException", "does not exist")
	m.refuse("", nil)
	if err := New(Config{Store: storetest.New(t), Sealer: b.config.Sealer, Now: b.clock.Now, Rand: rand.Reader}).mustFail(t, createInput(types.CertificateAuthorityTypeRoot, "r")); err == nil {
		t.Error("CRLs were enabled without buckets")
	}

	for name, c := range map[string]struct {
		config *types.RevocationConfiguration
		point  string // with ID for the authority's id; "": none
	}{
		"dots in the bucket": {crlOf("crls.example"), "http://s3." + testRegion + ".amazonaws.com/crls.example/crl/ID.crl"},
		"a name of its own":  {set(func(c *types.CrlConfiguration) { c.CustomCname = aws.String("crl.example") }), "http://crl.example/crl/ID.crl"},
		"a path":             {set(func(c *types.CrlConfiguration) { c.CustomPath = aws.String("x/y") }), "http://crls.s3." + testRegion + ".amazonaws.com/x/y/ID.crl"},
		"left out":           {set(omit), ""},
	} {
		ca := b.revoking(t, c.config)
		points := b.leafOf(t, ca, ecdsa256, 30).CRLDistributionPoints
		want := strings.Replace(c.point, "ID", ca[strings.LastIndex(ca, "/")+1:], 1)
		if strings.Join(points, " ") != want {
			t.Errorf("%s: distribution points %v, want %q", name, points, want)
		}
		before := m.written()
		if b.publish(t); m.written() != before+1 { // the list is written even if no certificate names it
			t.Errorf("%s: %d lists written", name, m.written()-before)
		}
	}

	in := crlOf("crls", partitioned, func(c *types.CrlConfiguration) {
		c.CustomCname, c.CustomPath, c.S3ObjectAcl = aws.String("crl.example"), aws.String("p"), types.S3ObjectAclBucketOwnerFullControl
	})
	ca := b.revoking(t, in)
	described := func() *types.CrlConfiguration {
		t.Helper()
		d, err := b.DescribeCertificateAuthority(caller(t.Context()), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &ca})
		if err != nil {
			t.Fatal(err)
		}
		return d.CertificateAuthority.RevocationConfiguration.CrlConfiguration
	}
	if c := described(); !*c.Enabled || *c.S3BucketName != "crls" || *c.ExpirationInDays != 10 || *c.CustomCname != "crl.example" || *c.CustomPath != "p" ||
		c.S3ObjectAcl != types.S3ObjectAclBucketOwnerFullControl || c.CrlType != types.CrlTypePartitioned || *c.CrlDistributionPointExtensionConfiguration.OmitExtension {
		t.Errorf("described as %+v", c)
	}
	b.leafOf(t, ca, ecdsa256, 30)
	b.publish(t)
	if !slices.Contains(slices.Collect(valuesOf(m.acls)), "bucket-owner-full-control") {
		t.Errorf("ACLs %v", m.acls)
	}
	b.update(t, ca, &types.RevocationConfiguration{CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(false)}})
	if c := described(); *c.Enabled || c.S3BucketName != nil {
		t.Errorf("disabled: %+v", c)
	}
	before := m.written()
	b.clock.Add(1000 * time.Hour)
	_, err := b.PublishCRLs(t.Context())
	if err != nil || slices.ContainsFunc(m.writes[before:], func(w string) bool { return strings.HasPrefix(w, "crls/p/") }) {
		t.Errorf("written though disabled: %v %v", m.writes[before:], err)
	}
	if points := b.leafOf(t, ca, ecdsa256, 30).CRLDistributionPoints; points != nil {
		t.Errorf("disabled, and named: %v", points)
	}
}

func omit(c *types.CrlConfiguration) {
	c.CrlDistributionPointExtensionConfiguration = &types.CrlDistributionPointExtensionConfiguration{OmitExtension: aws.Bool(true)}
}

func valuesOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// mustFail enables CRLs on a service that has no buckets.
func (s *Service) mustFail(t testing.TB, in *acmpca.CreateCertificateAuthorityInput) error {
	t.Helper()
	in.RevocationConfiguration = crlOf("crls")
	_, err := s.CreateCertificateAuthority(caller(t.Context()), in)
	return err
}

// TestCRLNumberBeforeCrash: a number is durable before a list with it is out.
func TestCRLNumberBeforeCrash(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	real := storetest.NewAt(t, c.Now)
	m := &memoryBuckets{}
	var dying bool
	b := newBenchOn(t, c, storetest.FailBefore(real, func(*store.Batch) error {
		if dying && m.written() > 0 {
			return errors.New("died")
		}
		return nil
	}))
	b.config.Buckets = m
	b.Service = New(b.config)
	ca := b.revoking(t, crlOf("crls"))
	leaf := b.leafOf(t, ca, ecdsa256, 30)
	dying = true
	if _, err := b.PublishCRLs(t.Context()); err == nil {
		t.Fatal("the store failed after the list was written, and nobody noticed")
	}
	first := m.fetch(t, leaf.CRLDistributionPoints[0]).Number
	c.Add(-time.Hour) // the clock was wrong
	b.config.Store = real
	b.Service = New(b.config)
	b.publish(t)
	c.Add(2 * time.Hour)
	b.publish(t)
	if second := m.fetch(t, leaf.CRLDistributionPoints[0]).Number; second.Cmp(first) <= 0 {
		t.Errorf("number %v after %v", second, first)
	}
}

// TestCRLWithOpenSSL lets another implementation judge.
func TestCRLWithOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for name, config := range map[string]*types.RevocationConfiguration{"complete": crlOf("crls"), "partitioned": crlOf("crls", partitioned)} {
		b, m := newCRLBench(t)
		b.clock.at = time.Now().UTC().Truncate(time.Second)
		ca := b.revoking(t, config)
		good, bad := b.leafOf(t, ca, ecdsa256, 30), b.leafOf(t, ca, ecdsa256, 30)
		b.strike(t, ca, bad, types.RevocationReasonKeyCompromise)
		b.publish(t)
		dir := t.TempDir()
		write := func(name, kind string, der []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		root := write("root.pem", "CERTIFICATE", b.certificateOf(t, ca).Raw)
		for _, c := range []*x509.Certificate{good, bad} {
			crl := write("list.pem", "X509 CRL", m.fetch(t, c.CRLDistributionPoints[0]).Raw)
			out, err := exec.Command(openssl, "verify", "-x509_strict", "-extended_crl", "-crl_check", "-CAfile", root, "-CRLfile", crl, write("leaf.pem", "CERTIFICATE", c.Raw)).CombinedOutput()
			if c == good && err != nil || c == bad && !strings.Contains(string(out), "certificate revoked") {
				t.Errorf("%s: openssl says %v:\n%s", name, err, out)
			}
		}
	}
}
