// Command crl measures CRLs: a complete list of 1,000,000 entries encoded and
// read again, with what memory that takes beside crypto/x509, and what one
// revocation costs until the list it belongs on is in the bucket, complete and
// partitioned, with as many revoked certificates in the ledger. It answers for no
// AWS API. Everything is one process: the store is SQLite in a temporary folder,
// the bucket is a bucket in it.
//
//	go run ./bench/crl
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"countersign/call"
	"countersign/keys"
	"countersign/pki"
	"countersign/service/authority"
	"countersign/service/objects"
	"countersign/store"
	"countersign/store/sqlite"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bars of the figures.
const (
	encodeBar = 300 * time.Millisecond
	memoryBar = 100 << 20
	parseBar  = 10 << 20 // beside the list's own octets
	shardBar  = 20 * time.Millisecond
	wholeBar  = 5 * time.Second // from a revocation to its list
)

type options struct {
	entries  int
	revoked  int
	rounds   int
	standard int
}

func main() {
	var o options
	flag.IntVar(&o.entries, "entries", 1_000_000, "entries of the list that is encoded")
	flag.IntVar(&o.revoked, "revoked", 1_000_000, "revoked certificates in the ledger")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds; the median counts")
	flag.IntVar(&o.standard, "standard", 100_000, "entries that crypto/x509 encodes; 0: none")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/crl:", err)
		os.Exit(1)
	}
}

const row = "%-58s %12s %12s  %s\n"

var errMissed = errors.New("a bar was missed")

func run(ctx context.Context, o options) error {
	fmt.Printf(row, "CRL", "time", "memory", "bar")
	missed := false
	show := func(name string, took time.Duration, memory uint64, limit string, met bool) {
		verdict := "–"
		if limit != "" {
			verdict = limit + " met"
			if !met {
				verdict, missed = limit+" MISSED", true
			}
		}
		space := "–"
		if memory > 0 {
			space = fmt.Sprintf("%.1f MB", float64(memory)/(1<<20))
		}
		fmt.Printf(row, name, took.Round(10*time.Microsecond), space, verdict)
	}
	issuer, key, err := issuer()
	if err != nil {
		return err
	}

	template := pki.CRLTemplate{Issuer: issuer, Algorithm: pki.SHA256WithECDSA, Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	at := time.Now()
	var list *pki.EncodedCRL
	took, memory, err := median(o.rounds, func() error {
		list = nil
		e, err := pki.NewCRLEncoder(template)
		if err != nil {
			return err
		}
		for n := range o.entries {
			e.Add(pki.Serial(serial(uint64(n))), at, 1)
		}
		list, err = e.Sign(key)
		return err
	})
	if err != nil {
		return err
	}
	show(fmt.Sprintf("encode %d entries (%.0f MB)", o.entries, float64(list.Len())/1e6), took, memory, "< 0.3 s, < 100 MB", took < encodeBar && memory < memoryBar)

	raw, err := io.ReadAll(list.NewReader())
	if err != nil {
		return err
	}
	list = nil
	var parsed *pki.CRL
	before := live()
	took, _, err = median(o.rounds, func() (err error) { parsed, err = pki.ParseCRL(raw); return err })
	if err != nil {
		return err
	}
	memory = live() - before
	show(fmt.Sprintf("read %d entries", parsed.Len()), took, memory, "≤ 10 MB", memory <= parseBar)
	runtime.KeepAlive(parsed)
	runtime.KeepAlive(raw)
	parsed, raw = nil, nil

	if o.standard > 0 {
		took, memory, err := measure(func() error {
			entries := make([]x509.RevocationListEntry, o.standard)
			for n := range entries {
				s := serial(uint64(n))
				entries[n] = x509.RevocationListEntry{SerialNumber: new(big.Int).SetBytes(s[:]), RevocationTime: at, ReasonCode: 1}
			}
			_, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.Add(time.Hour), RevokedCertificateEntries: entries}, issuer, key)
			return err
		})
		if err != nil {
			return err
		}
		show(fmt.Sprintf("crypto/x509: encode %d entries", o.standard), took, memory, "", true)
	}

	err = revocations(ctx, o, func(kind types.CrlType, took time.Duration, entries int) {
		limit, bar := "< 20 ms", shardBar
		if kind == types.CrlTypeComplete {
			limit, bar = "< 5 s", wholeBar
		}
		show(fmt.Sprintf("%s: one revocation, %d revoked, list of %d", strings.ToLower(string(kind)), o.revoked, entries), took, 0, limit, took < bar)
	})
	if err != nil {
		return err
	}
	if missed {
		return errMissed
	}
	return nil
}

// live is the heap after a collection.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// measure runs f and tells how long it took and by how much the heap was higher
// at the most, sampled every 10 milliseconds.
func measure(f func() error) (took time.Duration, peak uint64, err error) {
	before := live()
	var highest atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var m runtime.MemStats
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				highest.Store(max(highest.Load(), m.HeapAlloc))
			}
		}
	}()
	began := time.Now()
	err = f()
	took = time.Since(began)
	close(stop)
	<-done
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return took, max(highest.Load(), m.HeapAlloc, before) - before, err
}

// median runs f in rounds and tells the median of the times, and the most memory.
func median(rounds int, f func() error) (took time.Duration, memory uint64, err error) {
	var all []time.Duration
	for range rounds {
		t, m, err := measure(f)
		if err != nil {
			return 0, 0, err
		}
		all, memory = append(all, t), max(memory, m)
	}
	slices.Sort(all)
	return all[len(all)/2], memory, nil
}

// serial makes a serial number of which all octets but the first are spread.
func serial(n uint64) store.Serial {
	var s store.Serial
	binary.BigEndian.PutUint64(s[8:], n)
	binary.BigEndian.PutUint64(s[:8], n*0x9e3779b97f4a7c15)
	s[0] = byte(1 + n%127)
	return s
}

func issuer() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Bench"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1, 2, 3, 4}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, key, err
}

// buckets is node's way from an authority to a bucket.
type buckets struct{ objects *objects.Service }

func (b buckets) CheckDelivery(ctx context.Context, d authority.Delivery) (region, lacking string, err error) {
	return b.objects.CheckDelivery(ctx, objects.Delivery(d))
}

func (b buckets) Deliver(ctx context.Context, d authority.Delivery, contentType string, body io.Reader, size int64) (string, error) {
	return b.objects.Deliver(ctx, objects.Delivery(d), contentType, body, size)
}

const (
	account = "111122223333"
	region  = "us-east-1"
	policy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"acm-pca.amazonaws.com"},"Action":"s3:*","Resource":["arn:aws:s3:::crls","arn:aws:s3:::crls/*"]}]}`
)

// revocations measures from a revocation that is durable to its list in the
// bucket, with one ledger for both kinds of list.
func revocations(ctx context.Context, o options, show func(kind types.CrlType, took time.Duration, entries int)) error {
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	var ahead atomic.Int64 // the clock jumps between rounds, so that no list rests
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		return err
	}
	bucket := objects.New(objects.Config{Store: st, Now: now, Rand: rand.Reader})
	pca := authority.New(authority.Config{Store: st, Sealer: keys.NewSealer(master), Buckets: buckets{bucket}, Now: now, Rand: rand.Reader})
	ctx = call.With(ctx, call.Call{Account: account, Region: region, Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root"}, Signing: call.Internal})
	if _, err := bucket.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("crls")}); err != nil {
		return err
	}
	if _, err := bucket.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("crls"), Policy: aws.String(policy)}); err != nil {
		return err
	}
	ca, csr, err := root(ctx, pca)
	if err != nil {
		return err
	}
	if err := fill(ctx, st, ca[strings.LastIndex(ca, "/")+1:], o.revoked); err != nil {
		return err
	}
	for _, kind := range []types.CrlType{types.CrlTypePartitioned, types.CrlTypeComplete} {
		if _, err := pca.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: &ca, RevocationConfiguration: &types.RevocationConfiguration{
			CrlConfiguration: &types.CrlConfiguration{Enabled: aws.Bool(true), S3BucketName: aws.String("crls"), S3ObjectAcl: types.S3ObjectAclBucketOwnerFullControl, CrlType: kind}}}); err != nil {
			return err
		}
		took, err := rounds(ctx, pca, ca, csr, o.rounds, &ahead)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		lists, err := pca.CRLs(ctx)
		if err != nil {
			return err
		}
		entries := 0
		for _, l := range lists {
			if l.Failure != "" {
				return errors.New(l.Failure)
			}
			if l.URL != "" {
				entries = max(entries, l.Entries)
			}
		}
		show(kind, took, entries)
	}
	return nil
}

// rounds revokes one certificate after the other, and tells the median of how
// long the list took.
func rounds(ctx context.Context, pca *authority.Service, ca string, csr []byte, count int, ahead *atomic.Int64) (time.Duration, error) {
	var leaves []string
	for range count {
		out, err := pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: csr, SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
			Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(100)}})
		if err != nil {
			return 0, err
		}
		leaves = append(leaves, (*out.CertificateArn)[strings.LastIndex(*out.CertificateArn, "/")+1:])
	}
	ahead.Add(int64(time.Minute))
	if _, err := pca.PublishCRLs(ctx); err != nil { // what is new
		return 0, err
	}
	var all []time.Duration
	for _, serial := range leaves {
		ahead.Add(int64(time.Minute))
		if _, err := pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: &serial, RevocationReason: types.RevocationReasonSuperseded}); err != nil {
			return 0, err
		}
		began := time.Now()
		if _, err := pca.PublishCRLs(ctx); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// root makes an authority, and a request for certificates of it.
func root(ctx context.Context, pca *authority.Service) (ca string, request []byte, err error) {
	created, err := pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{KeyAlgorithm: types.KeyAlgorithmEcPrime256v1,
			SigningAlgorithm: types.SigningAlgorithmSha256withecdsa, Subject: &types.ASN1Subject{CommonName: aws.String("Bench")}},
	})
	if err != nil {
		return "", nil, err
	}
	ca = *created.CertificateAuthorityArn
	csr, err := pca.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &ca})
	if err != nil {
		return "", nil, err
	}
	issued, err := pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &ca, Csr: []byte(*csr.Csr), SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1"), Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(3650)}})
	if err != nil {
		return "", nil, err
	}
	own, err := pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: issued.CertificateArn})
	if err != nil {
		return "", nil, err
	}
	if _, err := pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca, Certificate: []byte(*own.Certificate)}); err != nil {
		return "", nil, err
	}
	client, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"client.example"}}, client)
	if err != nil {
		return "", nil, err
	}
	return ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// fill puts revoked certificates into the ledger.
func fill(ctx context.Context, st store.Store, id string, count int) error {
	const batch = 5000
	now := time.Now()
	tbs := make([]byte, 400)
	for n := 0; n < count; {
		b := new(store.Batch)
		for ; n < count && len(b.Ops) < 2*batch; n++ {
			s := serial(uint64(n))
			b.Issue(store.Certificate{Authority: id, Serial: s, TBS: tbs, Signature: tbs[:70], Template: "arn:aws:acm-pca:::template/EndEntityCertificate/V1",
				Requester: "arn:aws:iam::" + account + ":root", IssuedAt: now, NotBefore: now, NotAfter: now.Add(1000 * time.Hour), Subject: "CN=client"})
			b.Revoke(id, s, now, 1)
		}
		if _, err := st.Commit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
