package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	stepModule      = "github.com/smallstep/certificates/cmd/step-ca"
	stepVersion     = "v0.28.4"
	provisionerName = "bench"
)

// buildStepCA builds step-ca into the user's cache folder, unless it is there,
// and returns its path. It does not touch this module.
func buildStepCA(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "countersign-bench", "step-ca-"+stepVersion)
	binary := filepath.Join(dir, "step-ca")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fmt.Printf("building step-ca %s, once; this takes minutes\n", stepVersion)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", stepModule+"@"+stepVersion)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOBIN="+dir, "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install: %w: %s", err, out[max(0, len(out)-300):])
	}
	return binary, nil
}

// startStepCA starts step-ca with a root, an intermediate and a JWK provisioner,
// and the database that step ca init sets up. It logs no requests.
func startStepCA(ctx context.Context, binary, dir string) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	issuer, err := writeStepCAs(dir)
	if err != nil {
		return nil, err
	}
	provisioner, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalECPrivateKey(provisioner)
	if err != nil {
		return nil, err
	}
	point, err := provisioner.PublicKey.Bytes() // uncompressed: 4, X, Y
	if err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	config, err := json.Marshal(map[string]any{
		"root": filepath.Join(dir, "root.pem"), "crt": filepath.Join(dir, "intermediate.pem"), "key": filepath.Join(dir, "intermediate.key"),
		"address": address, "dnsNames": []string{"127.0.0.1"},
		"db": map[string]string{"type": "badgerv2", "dataSource": filepath.Join(dir, "db")},
		"authority": map[string]any{"provisioners": []any{map[string]any{
			"type": "JWK", "name": provisionerName,
			"key": map[string]string{"use": "sig", "kty": "EC", "kid": provisionerName, "crv": "P-256", "alg": "ES256",
				"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])},
		}}},
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "ca.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, err
	}
	said := new(tail)
	cmd := exec.CommandContext(ctx, binary, path)
	cmd.Env = append(cmd.Environ(), "STEPPATH="+dir)
	cmd.Stdout, cmd.Stderr = said, said
	s, err := start(cmd)
	if err != nil {
		return nil, err
	}
	s.base = job{Endpoint: "https://" + address, Issuer: issuer, Provisioner: secret}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}, Timeout: time.Second}
	defer client.CloseIdleConnections()
	for range 200 {
		if response, err := client.Get(s.base.Endpoint + "/health"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New(string(said.last))
}

// writeStepCAs writes a root and an intermediate of P-256, and returns the latter.
func writeStepCAs(dir string) (intermediate []byte, err error) {
	var above *x509.Certificate
	var aboveKey *ecdsa.PrivateKey
	for n, name := range []string{"root", "intermediate"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(n + 1)), Subject: pkix.Name{CommonName: "Bench " + name},
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true,
			MaxPathLen: 1 - n, MaxPathLenZero: n == 1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
		if above == nil {
			above, aboveKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), aboveKey)
		if err != nil {
			return nil, err
		}
		if above, err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
		aboveKey, intermediate = key, der
		secret, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
			if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
				return nil, err
			}
		}
	}
	return intermediate, nil
}

// A tail keeps the last of what a process says.
type tail struct{ last []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-2000):]
	return len(p), nil
}
