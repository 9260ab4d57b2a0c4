package node

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"countersign/keys"
)

// Files of the data folder beside the database.
const (
	masterFile      = "master.key"            // seals private keys; mode 0600
	credentialsFile = "root-credentials.json" // the root key pair; mode 0600
	metricsFile     = "metrics-token"         // who reads metrics has it; mode 0600
	endpointsFile   = "node.json"             // where the node listens, for countersign env
	localRootFile   = "local-root.pem"        // the certificate to name with curl --cacert
)

// masterKey takes the key from the configuration, or from its file, which is
// made only in a folder that holds no data yet: a new key would open nothing that
// an older one has sealed.
func masterKey(c Config, fresh bool) (keys.Master, error) {
	if len(c.MasterKey) > 0 {
		m, err := keys.ParseMaster(c.MasterKey)
		if err != nil {
			return m, fmt.Errorf("COUNTERSIGN_MASTER_KEY: %w; 'openssl rand -base64 32' makes one", err)
		}
		return m, nil
	}
	path := filepath.Join(c.Data, masterFile)
	text, err := readSmall(path)
	switch {
	case err == nil:
		m, err := keys.ParseMaster(text)
		if err != nil {
			return m, fmt.Errorf("%s: %w", path, err)
		}
		return m, nil
	case !errors.Is(err, fs.ErrNotExist):
		return keys.Master{}, err
	case !fresh:
		return keys.Master{}, fmt.Errorf("%s is missing, but the folder holds data that was sealed with it: put the file back, or pass the key in COUNTERSIGN_MASTER_KEY", path)
	}
	m, text, err := keys.NewMaster(c.Rand)
	if err != nil {
		return m, err
	}
	return m, writeDurably(path, text)
}

// Credentials are the root key pair.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// rootCredentials takes the pair from the configuration, or from its file,
// which is made at the first start.
func rootCredentials(c Config) (Credentials, error) {
	if c.RootAccessKeyID != "" {
		return Credentials{c.RootAccessKeyID, c.RootSecretAccessKey}, nil
	}
	credentials, err := ReadCredentials(c.Data)
	if !errors.Is(err, fs.ErrNotExist) {
		return credentials, err
	}
	raw := make([]byte, 10+30)
	if _, err := io.ReadFull(c.Rand, raw); err != nil {
		return credentials, fmt.Errorf("make root key pair: %w", err)
	}
	credentials = Credentials{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(raw[:10]), // 16 characters, as AWS's
		SecretAccessKey: base64.StdEncoding.EncodeToString(raw[10:]),          // 40 characters, as AWS's
	}
	text, err := json.MarshalIndent(credentials, "", "  ")
	if err != nil {
		return credentials, err
	}
	return credentials, writeDurably(filepath.Join(c.Data, credentialsFile), append(text, '\n'))
}

// ReadCredentials reads the root key pair of a data folder.
func ReadCredentials(data string) (Credentials, error) {
	var c Credentials
	path := filepath.Join(data, credentialsFile)
	text, err := readSmall(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil || c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, fmt.Errorf("%s holds no key pair: delete it, and the next start makes a new one", path)
	}
	return c, nil
}

// Endpoints are where a node listens, as it writes it into its data folder.
type Endpoints struct {
	Endpoint string `json:"endpoint"` // "http://127.0.0.1:4566"
	Gateway  string `json:"gateway"`  // "127.0.0.1:8443"
	DNS      string `json:"dns"`      // "127.0.0.1:5354"
	Account  string `json:"account"`
	CACert   string `json:"cacert"` // absolute path of the local root's certificate
}

// ReadEndpoints reads where the node of a data folder listens, or listened last.
func ReadEndpoints(data string) (Endpoints, error) {
	var e Endpoints
	text, err := readSmall(filepath.Join(data, endpointsFile))
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("%s is damaged (%w): start the node again, which writes it anew", filepath.Join(data, endpointsFile), err)
	}
	return e, nil
}

// readSmall reads a file that can only be small.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// writeDurably writes a file whole, for its owner alone: on return it is on disk
// under its name, or the name is as it was.
func writeDurably(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the entries of a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
