package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/call"
	"countersign/keys"
	"countersign/service/authority"
	"countersign/service/certificates"
	"countersign/service/functions"
	"countersign/service/identity"
	"countersign/service/objects"
	"countersign/service/secrets"
	"countersign/store"
	"countersign/store/sqlite"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A Finding is one thing in a data folder that does not agree with the rest.
type Finding struct {
	Resource string `json:"resource"` // an ARN, an s3:// address, or what else names it
	Problem  string `json:"problem"`
}

// Checked is what Check has looked at.
type Checked struct {
	Ledger    authority.Checked `json:"ledger"`
	Inventory int               `json:"inventory"` // certificates of ACM
	Objects   objects.Checked   `json:"objects"`
	CRLs      int               `json:"crls"`
	Packages  int               `json:"packages"` // of functions
	Secrets   int               `json:"secrets"`  // values of secrets and parameters
	Findings  int               `json:"-"`
}

// A stopped node is the folder of one, opened by nobody else.
type stopped struct {
	config Config
	store  *sqlite.Store
	sealer *keys.Sealer
}

// openStopped opens the folder of a node that is not running. It makes no folder
// and no keys; of c it takes Data, MasterKey, Now, Rand and Logger.
func openStopped(ctx context.Context, c Config) (_ *stopped, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(c.Data, "countersign.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no node: name the folder of one with --data", c.Data)
	} else if err != nil {
		return nil, err
	}
	master, err := masterKey(c, false)
	if err != nil {
		return nil, err
	}
	s := &stopped{config: c, sealer: keys.NewSealer(master)}
	s.store, err = sqlite.Open(ctx, c.Data, sqlite.Options{Now: c.Now, Logger: c.Logger})
	if errors.Is(err, sqlite.ErrLocked) {
		return nil, fmt.Errorf("%w; stop it first", err)
	}
	return s, err
}

func (s *stopped) authority() *authority.Service {
	return authority.New(authority.Config{Store: s.store, Sealer: s.sealer, Now: s.config.Now, Rand: s.config.Rand, Logger: s.config.Logger})
}

func (s *stopped) inventory() *certificates.Service {
	return certificates.New(certificates.Config{Store: s.store, Sealer: s.sealer, Now: s.config.Now, Rand: s.config.Rand, Logger: s.config.Logger})
}

// Check proves that what is in the data folder of a stopped node agrees:
// database, authorities with their keys, the ledger with the signatures over its
// bytes, certificates, CRLs, objects, the packages of functions, secrets, roles and policies. What does not is
// handed to report, one by one. The folder is not changed but for what opening it
// does: bringing the schema up to date, and sweeping what has expired. The error is
// for what kept it from looking, which proves nothing.
func Check(ctx context.Context, c Config, report func(Finding)) (done Checked, err error) {
	s, err := openStopped(ctx, c)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	found := func(resource, problem string) {
		done.Findings++
		report(Finding{resource, problem})
	}

	problems, err := s.store.Check(ctx)
	if err != nil {
		return done, err
	}
	for _, p := range problems {
		found("database", p)
	}
	// With another sealing key nothing would open: that proves nothing.
	if err := s.checkMaster(ctx); err != nil {
		return done, err
	}
	local, err := s.inventory().LocalAuthority(ctx)
	if err != nil {
		return done, err
	}
	ledgers, err := s.store.Ledgers(ctx)
	if err != nil {
		return done, err
	}
	others := map[string]authority.Other{}
	if local.ID != "" {
		others[local.ID] = authority.Other{Name: "local root " + local.ID, Key: local.Key, Subject: local.Subject}
	}
	if done.Ledger, err = s.authority().Check(ctx, ledgers, others, found); err != nil {
		return done, err
	}
	if done.Inventory, err = s.inventory().Check(ctx, found); err != nil {
		return done, err
	}
	secrets, err := secrets.New(secrets.Config{Store: s.store, Sealer: s.sealer, Now: c.Now, Rand: c.Rand})
	if err != nil {
		return done, err
	}
	if done.Secrets, err = secrets.Check(ctx, found); err != nil {
		return done, err
	}
	if err := s.checkBlobs(ctx, &done, found); err != nil {
		return done, err
	}
	if err := identity.Check(ctx, s.store, found); err != nil {
		return done, err
	}
	if done.CRLs, err = s.authority().CheckCRLs(ctx, s.object, found); err != nil {
		return done, err
	}
	return done, s.checkRevocations(ctx, found)
}

// checkRevocations compares the file of revoked certificates, if there is one that a
// start would read, with the ledger: it must hold what was revoked up to its revision, and nothing else.
func (s *stopped) checkRevocations(ctx context.Context, found func(resource, problem string)) error {
	records, err := s.store.List(ctx, kindRevocationFile, "", "", 0)
	if err != nil {
		return err
	}
	issuers, err := s.authority().Issuers(ctx)
	if err != nil {
		return err
	}
	l := &revocationLog{publisher: &publisher{store: s.store}, folder: s.config.Data}
	for _, r := range records {
		f, err := l.open(r)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is made again
		}
		name := filepath.Base(l.path(r.Key))
		if err != nil {
			found(name, err.Error())
			continue
		}
		held, missing := uint64(0), 0
		for after := store.Revision(0); ; {
			rows, err := s.store.Revocations(ctx, after, defaultRevocationLimits.page)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				after = row.Revision
				key, known := issuers[row.Authority]
				if !known {
					continue // the authorities' part reports it
				}
				switch hit, err := f.Contains(key, row.Serial); {
				case err != nil:
					found(name, err.Error())
					return nil
				case hit:
					held++ // also some that came while the file was made
				case uint64(after) <= f.Revision:
					missing++
				}
			}
		}
		if missing > 0 {
			found(name, fmt.Sprintf("it lacks %d revoked certificates", missing))
		}
		if held < f.Count {
			found(name, fmt.Sprintf("it has %d certificates that are not revoked", f.Count-held))
		}
	}
	return nil
}

// object opens an object as its account does.
func (s *stopped) object(ctx context.Context, account, region, bucket, key string) (io.ReadCloser, error) {
	ctx = call.With(ctx, call.Call{Account: account, Region: region, Service: "s3", Operation: "GetObject", Signing: call.Internal,
		Principal: call.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}})
	out, err := s.objects().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (s *stopped) objects() *objects.Service {
	return objects.New(objects.Config{Store: s.store, Now: s.config.Now, Rand: s.config.Rand})
}

// checkBlobs reads everything that is kept in blobs, and looks for blobs that
// nothing refers to.
func (s *stopped) checkBlobs(ctx context.Context, done *Checked, found func(resource, problem string)) (err error) {
	used := map[store.BlobID]bool{}
	uses := func(id store.BlobID) { used[id] = true }
	if done.Objects, err = s.objects().Check(ctx, found, uses); err != nil {
		return err
	}
	if done.Packages, err = functions.Check(ctx, s.store, found, uses); err != nil {
		return err
	}
	return s.store.KeptBlobs(ctx, func(id store.BlobID, size int64) {
		if !used[id] {
			found("blob "+string(id), fmt.Sprintf("its %d bytes are kept, but nothing refers to them", size))
		}
	})
}
