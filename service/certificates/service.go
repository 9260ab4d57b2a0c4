package certificates

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/google/uuid"

	"countersign/arn"
	"countersign/call"
	"countersign/keys"
	"countersign/store"
)

// An Authority is what this service needs of AWS Private CA.
type Authority interface {
	DescribeCertificateAuthority(context.Context, *acmpca.DescribeCertificateAuthorityInput) (*acmpca.DescribeCertificateAuthorityOutput, error)
	IssueCertificate(context.Context, *acmpca.IssueCertificateInput) (*acmpca.IssueCertificateOutput, error)
	GetCertificate(context.Context, *acmpca.GetCertificateInput) (*acmpca.GetCertificateOutput, error)
}

// A Resolver asks the DNS. Both names are absolute.
type Resolver interface {
	// LookupCNAME answers the target of the CNAME record at name itself, without following it
	// further. No such record is an empty target, not an error.
	LookupCNAME(ctx context.Context, name string) (target string, err error)
}

// A Config is what a Service is made of. Logger, Generate, InUse, Zones may be nil.
type Config struct {
	Store     store.Store
	Sealer    *keys.Sealer
	Authority Authority
	Resolver  Resolver
	Zones     Zones // for stacks; nil: they cannot write validation records
	// InUse names the resources that use a certificate; nil: none ever does.
	InUse func(ctx context.Context, certificateARN string) ([]string, error)
	// Generate makes private keys, a keys.Pool's for one; nil: keys.Generate with Rand.
	Generate func(keys.Algorithm) (crypto.Signer, error)
	Now      func() time.Time
	Rand     io.Reader // safe for concurrent use
	Logger   *slog.Logger
}

// A Service carries out the operations of AWS Certificate Manager. Its methods
// are safe for concurrent use.
type Service struct {
	store     store.Store
	sealer    *keys.Sealer
	authority Authority
	resolver  Resolver
	zones     Zones
	inUse     func(ctx context.Context, certificateARN string) ([]string, error)
	generate  func(keys.Algorithm) (crypto.Signer, error)
	now       func() time.Time
	rand      io.Reader
	log       *slog.Logger
	proof     []byte // keys the names and values of validation records
}

// New makes a Service.
func New(cfg Config) *Service {
	s := &Service{
		store: cfg.Store, sealer: cfg.Sealer, authority: cfg.Authority, resolver: cfg.Resolver, zones: cfg.Zones, inUse: cfg.InUse,
		generate: cfg.Generate, rand: cfg.Rand, log: cfg.Logger,
		proof: cfg.Sealer.Derive("acm domain validation records", 32),
	}
	// Records hold UTC: what is answered must not depend on where a node stands.
	s.now = func() time.Time { return cfg.Now().UTC() }
	if s.generate == nil {
		s.generate = func(a keys.Algorithm) (crypto.Signer, error) { return keys.Generate(a, cfg.Rand) }
	}
	if s.inUse == nil {
		s.inUse = func(context.Context, string) ([]string, error) { return nil, nil }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// parseARN takes a certificate's ARN apart, whosever it is.
func parseARN(name string) (arn.ARN, string, error) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "acm" {
		return a, "", invalidARN("%q is not the ARN of a certificate", name)
	}
	id, ok := strings.CutPrefix(a.Resource, "certificate/")
	if !ok || uuid.Validate(id) != nil || len(id) != 36 {
		return a, "", invalidARN("%q is not the ARN of a certificate: want arn:%s:acm:<region>:<account>:certificate/<uuid>", name, a.Partition)
	}
	return a, id, nil
}

// load reads the certificate that an ARN names, if it belongs to the account
// and Region that the call is for.
func (s *Service) load(ctx context.Context, name *string) (*record, error) {
	text := aws.ToString(name)
	a, id, err := parseARN(text)
	if err != nil {
		return nil, err
	}
	c := call.From(ctx)
	if a.Account != c.Account || a.Region != c.Region || a.Partition != arn.Partition(c.Region) {
		return nil, notFound(text, c.Account)
	}
	return s.read(ctx, a.Account+"/"+a.Region+"/"+id, text)
}

func (s *Service) read(ctx context.Context, key, name string) (*record, error) {
	got, err := s.store.Get(ctx, KindCertificate, key)
	if errors.Is(err, store.ErrNotFound) {
		account, _, _ := strings.Cut(key, "/")
		return nil, notFound(name, account)
	}
	if err != nil {
		return nil, err
	}
	return decode(got)
}

// attempts bounds how often a change starts over because another write came in
// between.
const attempts = 20

// update changes one certificate: change sees the record as it stands and may
// alter it or refuse. On return without error the change is durable.
func (s *Service) update(ctx context.Context, name *string, change func(*record, *store.Batch) error) error {
	for range attempts {
		r, err := s.load(ctx, name)
		if err != nil {
			return err
		}
		again, err := s.change(ctx, r, change)
		if !again {
			return err
		}
	}
	return &types.ConflictException{Message: aws.String(fmt.Sprintf("certificate %s is being changed by others; try again", *name))}
}

// change applies a change to a record that was just read, and says whether to
// read it again because it was written since.
func (s *Service) change(ctx context.Context, r *record, change func(*record, *store.Batch) error) (again bool, err error) {
	b := &store.Batch{}
	if err := change(r, b); err != nil {
		return false, err
	}
	value, err := r.encode()
	if err != nil {
		return false, err
	}
	b.Replace(KindCertificate, r.key(), value, r.revision)
	_, err = s.store.Commit(ctx, b)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}
