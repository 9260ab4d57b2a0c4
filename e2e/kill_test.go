package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// TestKill kills a whole node with SIGKILL, again and again, while SDK clients
// issue and revoke certificates and write and delete objects, and holds the
// reopened node against every answer that a client had.
//
// By default it kills as often as 16 seconds allow, at most a hundred times;
// with -short eight times. COUNTERSIGN_KILLS=N kills N times, however long that
// takes. What it shows is that nothing is acknowledged before the operating
// system has it; that the disk has it too is for a machine without power to show.
func TestKill(t *testing.T) {
	t.Parallel()
	kills, limit := 100, 16*time.Second
	if testing.Short() {
		kills = 8
	}
	if text := os.Getenv("COUNTERSIGN_KILLS"); text != "" {
		kills, limit = must(strconv.Atoi(text))(t), time.Hour
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	k := &killing{t: t, victim: newVictim(t), csr: newCSR(t, "client.example.test")}
	k.victim.start(t)
	k.setUp()
	k.victim.kill(t)

	var starting, slowest time.Duration
	starts := 0
	began, killed := time.Now(), 0
	for ; killed < kills && time.Since(began) < limit && !t.Failed(); killed++ {
		if random.IntN(8) == 0 { // while it starts; then again
			k.victim.killStarting(t, time.Duration(random.IntN(150))*time.Millisecond)
			continue
		}
		took := k.victim.start(t)
		starts, starting, slowest = starts+1, starting+took, max(slowest, took)
		k.checkNewest()
		k.load(time.Duration(random.Int64N(int64(max(300*time.Millisecond, 2*took))))) // longer where everything is slower
	}
	took := time.Since(began)
	k.victim.start(t)
	k.checkAll()
	k.victim.kill(t)
	t.Logf("%d kills in %v, then %v of checking; a node was ready %v after its start, at most %v", killed, took.Round(time.Millisecond),
		(time.Since(began) - took).Round(time.Millisecond), (starting / time.Duration(max(1, starts))).Round(time.Millisecond), slowest.Round(time.Millisecond))
	t.Log(k.totals())
	if n := len(k.certificates) + len(k.versions); n < 4*killed {
		t.Errorf("%d acknowledgements in %d kills: too few to prove anything", n, killed)
	}
}

const killBucket = "kill"

// A killing is the load and what came of it. Workers add to it; the checks run
// while no worker does.
type killing struct {
	t      *testing.T
	victim *victim
	csr    []byte

	ca    string
	roots *x509.CertPool

	worked int // rounds, for names that are used once
	upload *unfinished

	mu           sync.Mutex
	certificates []*issued
	versions     []*written
	markers      []marker
	multiparts   int
}

// What a client was told of a write that takes back an earlier one.
type outcome int

const (
	not     outcome = iota // it was not asked for
	unknown                // it was asked for, but there was no answer
	done
)

type issued struct {
	arn, token string
	revoked    outcome
}

func (c *issued) serial() string { return c.arn[strings.LastIndex(c.arn, "/")+1:] }

type written struct {
	key, id string
	sum     [sha256.Size]byte
	deleted outcome
}

// A marker is an acknowledged delete marker, on a key that nothing is written to later.
type marker struct{ key, id string }

// An unfinished multipart upload outlives the node it was begun on.
type unfinished struct {
	name, key, id string
	parts         []s3types.CompletedPart
}

// setUp makes the CA and the bucket.
func (k *killing) setUp() {
	k.t.Helper()
	ctx := context.Background()
	c := k.victim.clients()
	var root string
	k.ca, root = ecRoot(k.t, c.pca, "root that is killed")
	k.roots = x509.NewCertPool()
	k.roots.AddCert(parse(k.t, root))
	must(c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(killBucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(k.t)
	must(c.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String(killBucket), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(k.t)
}

// load has clients write until the node is killed, a while from now.
func (k *killing) load(life time.Duration) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k.worked++
	w := &work{killing: k, ctx: ctx, clients: k.victim.clients()}
	defer w.clients.close()
	var workers sync.WaitGroup
	forever := func(step func(n int) bool) {
		workers.Go(func() {
			for n := 0; step(n); n++ {
			}
		})
	}
	for i := range 3 {
		forever(func(n int) bool { return w.issue(fmt.Sprintf("%d-%d-%d", k.worked, i, n), n) })
	}
	for i := range 3 {
		forever(func(n int) bool { return w.write(fmt.Sprintf("%d-%d-%d", k.worked, i, n), n) })
	}
	forever(func(n int) bool { return w.multipart(fmt.Sprintf("%d-m-%d", k.worked, n), n) })
	time.Sleep(life)
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	k.victim.kill(k.t)
	workers.Wait()
}

// A work is the load on one life of the node.
type work struct {
	*killing
	ctx     context.Context
	clients victimClients
	over    bool // the kill has been decided; guarded by mu
}

// acknowledged reports whether a call succeeded. It may fail only because its
// connection broke, and that only for the kill's sake.
func (w *work) acknowledged(err error) bool {
	if err == nil {
		return true
	}
	w.mu.Lock()
	over := w.over
	w.mu.Unlock()
	if answer := smithy.APIError(nil); errors.As(err, &answer) || !over {
		w.t.Errorf("while the node was alive: %v", err)
	}
	return false
}

// issue issues a certificate, and revokes every fourth.
func (w *work) issue(name string, n int) bool {
	out, err := w.clients.pca.IssueCertificate(w.ctx, w.request(name))
	if !w.acknowledged(err) {
		return false
	}
	c := &issued{arn: *out.CertificateArn, token: name}
	w.mu.Lock()
	w.certificates = append(w.certificates, c)
	w.mu.Unlock()
	if n%4 != 0 {
		return true
	}
	c.revoked = unknown
	_, err = w.clients.pca.RevokeCertificate(w.ctx, w.revocation(c))
	if !w.acknowledged(err) {
		return false
	}
	c.revoked = done
	return true
}

func (k *killing) request(token string) *acmpca.IssueCertificateInput {
	return &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &k.ca, Csr: k.csr, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, IdempotencyToken: &token,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"),
		Validity:    validity(30),
	}
}

func (k *killing) revocation(c *issued) *acmpca.RevokeCertificateInput {
	return &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &k.ca, CertificateSerial: aws.String(c.serial()), RevocationReason: pcatypes.RevocationReasonKeyCompromise}
}

// write puts a version of one of a few keys; every fifth is deleted for good,
// every other fifth is alone on its key and covered with a delete marker.
func (w *work) write(name string, n int) bool {
	key := fmt.Sprintf("shared/%d", n%7)
	if n%5 == 1 {
		key = "covered/" + name
	}
	data := content(name)
	out, err := w.clients.s3.PutObject(w.ctx, &s3.PutObjectInput{Bucket: aws.String(killBucket), Key: &key, Body: bytes.NewReader(data)})
	if !w.acknowledged(err) {
		return false
	}
	v := &written{key: key, id: *out.VersionId, sum: sha256.Sum256(data)}
	w.mu.Lock()
	w.versions = append(w.versions, v)
	w.mu.Unlock()
	switch n % 5 {
	case 0:
		v.deleted = unknown
		_, err = w.clients.s3.DeleteObject(w.ctx, &s3.DeleteObjectInput{Bucket: aws.String(killBucket), Key: &key, VersionId: &v.id})
		if !w.acknowledged(err) {
			return false
		}
		v.deleted = done
	case 1:
		out, err := w.clients.s3.DeleteObject(w.ctx, &s3.DeleteObjectInput{Bucket: aws.String(killBucket), Key: &key})
		if !w.acknowledged(err) {
			return false
		}
		w.mu.Lock()
		w.markers = append(w.markers, marker{key, *out.VersionId})
		w.mu.Unlock()
	}
	return true
}

// multipart takes one upload a step further: the parts of one that the last life
// of the node acknowledged are completed in this one.
func (w *work) multipart(name string, n int) bool {
	if w.upload == nil {
		u := &unfinished{name: name, key: fmt.Sprintf("parts/%d", n%3)}
		out, err := w.clients.s3.CreateMultipartUpload(w.ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(killBucket), Key: &u.key})
		if !w.acknowledged(err) {
			return false
		}
		u.id = *out.UploadId
		w.upload = u
		return true
	}
	u := w.upload
	data := content(u.name)
	const first = 5 << 20 // every part but the last is at least as large
	parts := [][]byte{data}
	if len(data) > first {
		parts = [][]byte{data[:first], data[first:]}
	}
	if next := len(u.parts); next < len(parts) {
		number := aws.Int32(int32(next + 1))
		out, err := w.clients.s3.UploadPart(w.ctx, &s3.UploadPartInput{Bucket: aws.String(killBucket), Key: &u.key, UploadId: &u.id, PartNumber: number, Body: bytes.NewReader(parts[next])})
		if !w.acknowledged(err) {
			return false
		}
		u.parts = append(u.parts, s3types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
		return true
	}
	w.upload = nil // if there is no answer, nobody knows what became of it
	out, err := w.clients.s3.CompleteMultipartUpload(w.ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String(killBucket), Key: &u.key, UploadId: &u.id, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: u.parts}})
	if !w.acknowledged(err) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.multiparts++
	w.versions = append(w.versions, &written{key: u.key, id: *out.VersionId, sum: sha256.Sum256(data)})
	return true
}

// content is what is written under a name: the name, and bytes that follow from
// it, so that a version tells by itself whether it is whole. Most are small,
// a third is larger than the 64 KiB that a node keeps in a record, and of
// the uploads in parts one in eight is longer than a part.
func content(name string) []byte {
	seed := sha256.Sum256([]byte(name))
	random := rand.New(rand.NewChaCha8(seed))
	size := random.IntN(2 << 10)
	if random.IntN(3) == 0 {
		size = 64<<10 + random.IntN(256<<10)
	}
	if strings.Contains(name, "m") && random.IntN(8) == 0 {
		size = 5<<20 + random.IntN(64<<10)
	}
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return append([]byte(name+"\n"), b...)
}

// whole reports whether data is what some call wrote, all of it.
func whole(data []byte) bool {
	name, _, ok := bytes.Cut(data, []byte("\n"))
	return ok && bytes.Equal(content(string(name)), data)
}

// checkNewest looks at what was acknowledged last, in the moment before the kill.
func (k *killing) checkNewest() {
	k.t.Helper()
	c := k.victim.clients()
	defer c.close()
	const newest = 10
	for _, i := range last(k.certificates, newest) {
		k.checkCertificate(c, i)
		// The token still stands for the certificate.
		again, err := c.pca.IssueCertificate(context.Background(), k.request(i.token))
		if err != nil || *again.CertificateArn != i.arn {
			k.t.Errorf("issue with the token of %s: %+v, %v", i.arn, again, err)
		}
	}
	for _, v := range last(k.versions, newest) {
		k.checkVersion(c, v)
	}
}

func last[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// checkAll looks at everything that was acknowledged, and whether what was not is whole.
func (k *killing) checkAll() {
	k.t.Helper()
	ctx := context.Background()
	c := k.victim.clients()
	defer c.close()
	serials := map[string]bool{}
	for _, i := range k.certificates {
		if serials[i.serial()] {
			k.t.Errorf("serial %s was given twice", i.serial())
		}
		serials[i.serial()] = true
	}
	each(k.certificates, func(i *issued) { k.checkCertificate(c, i) })
	each(k.certificates, func(i *issued) {
		if i.revoked != done {
			return
		}
		var already *pcatypes.RequestAlreadyProcessedException
		if _, err := c.pca.RevokeCertificate(ctx, k.revocation(i)); !errors.As(err, &already) {
			k.t.Errorf("revoke %s again: %v", i.arn, err)
		}
	})
	each(k.versions, func(v *written) { k.checkVersion(c, v) })

	known := map[string]bool{}
	for _, v := range k.versions {
		known[v.id] = true
	}
	var others []*written
	marked := map[marker]bool{}
	for pages := s3.NewListObjectVersionsPaginator(c.s3, &s3.ListObjectVersionsInput{Bucket: aws.String(killBucket)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, v := range page.Versions {
			if !known[*v.VersionId] {
				others = append(others, &written{key: *v.Key, id: *v.VersionId})
			}
		}
		for _, m := range page.DeleteMarkers {
			marked[marker{*m.Key, *m.VersionId}] = true
		}
	}
	each(others, func(v *written) {
		if data, err := k.read(c, v); err != nil || !whole(data) {
			k.t.Errorf("version %s of %s, written without an answer, is not whole: %d bytes, %v", v.id, v.key, len(data), err)
		}
	})
	each(k.markers, func(m marker) {
		if !marked[m] {
			k.t.Errorf("delete marker %s of %s is not listed", m.id, m.key)
		}
		_, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(killBucket), Key: &m.key})
		var absent *s3types.NotFound
		if !errors.As(err, &absent) {
			k.t.Errorf("%s was deleted: %v", m.key, err)
		}
	})
}

// each runs check for every element, some at a time.
func each[T any](all []T, check func(T)) {
	work := make(chan T)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for one := range work {
				check(one)
			}
		})
	}
	for _, one := range all {
		work <- one
	}
	close(work)
	workers.Wait()
}

func (k *killing) checkCertificate(c victimClients, i *issued) {
	k.t.Helper()
	text, err := pcaCertificate(context.Background(), c.pca, k.ca, i.arn)
	if err != nil {
		k.t.Errorf("certificate %s: %v", i.arn, err)
		return
	}
	certificate := parse(k.t, text)
	if got := fmt.Sprintf("%032x", certificate.SerialNumber); got != i.serial() {
		k.t.Errorf("certificate %s has serial %s", i.arn, got)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: k.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		k.t.Errorf("certificate %s: %v", i.arn, err)
	}
}

func (k *killing) checkVersion(c victimClients, v *written) {
	k.t.Helper()
	data, err := k.read(c, v)
	if v.deleted != not {
		gone := smithy.APIError(nil)
		switch {
		case errors.As(err, &gone) && gone.ErrorCode() == "NoSuchVersion":
			return
		case v.deleted == done:
			k.t.Errorf("version %s of %s was deleted: %d bytes, %v", v.id, v.key, len(data), err)
			return
		}
	}
	if err != nil || sha256.Sum256(data) != v.sum {
		k.t.Errorf("version %s of %s: %d bytes that are not those written, %v", v.id, v.key, len(data), err)
	}
}

func (k *killing) read(c victimClients, v *written) ([]byte, error) {
	out, err := c.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(killBucket), Key: &v.key, VersionId: &v.id})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func (k *killing) totals() string {
	revoked, deleted, unanswered := 0, 0, 0
	for _, c := range k.certificates {
		if c.revoked == done {
			revoked++
		}
	}
	for _, v := range k.versions {
		switch v.deleted {
		case done:
			deleted++
		case unknown:
			unanswered++
		}
	}
	return fmt.Sprintf("acknowledged: %d certificates, %d revoked; %d versions, %d of them in parts, %d deleted, %d more perhaps; %d delete markers",
		len(k.certificates), revoked, len(k.versions), k.multiparts, deleted, unanswered, len(k.markers))
}
