package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"countersign/wire/sigv4"
)

// A job is what a load process is told.
type job struct {
	Endpoint string
	Clients  int
	Count    int
	Issuer   []byte // DER of the certificate that must have issued

	// Of a node: who signs requests, and for which CA.
	KeyID, Secret string
	CA, Algorithm string
	Fetch         bool // and get the certificate, in a request of its own

	// Of step-ca: the key of the provisioner that signs tokens, SEC 1.
	Provisioner []byte
}

// load issues as many certificates as it is told to on standard input. It makes
// all requests and connects first, says so, and begins when it is told to.
func load([]string) error {
	told, say := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var j job
	if err := told.Decode(&j); err != nil {
		return err
	}
	issuer, err := x509.ParseCertificate(j.Issuer)
	if err != nil {
		return err
	}
	requests := make([]*http.Request, j.Count)
	var key *ecdsa.PrivateKey
	if j.Provisioner != nil {
		if key, err = x509.ParseECPrivateKey(j.Provisioner); err != nil {
			return err
		}
	}
	for i := range requests {
		name := fmt.Sprintf("client-%d.bench.example", i)
		csr, err := newCSR(name)
		if err != nil {
			return err
		}
		if key != nil {
			requests[i], err = j.stepRequest(key, name, csr)
		} else {
			requests[i], err = j.awsRequest("IssueCertificate", map[string]any{
				"CertificateAuthorityArn": j.CA, "Csr": csr, "SigningAlgorithm": j.Algorithm, "Validity": map[string]any{"Type": "DAYS", "Value": 1}})
		}
		if err != nil {
			return err
		}
	}
	clients := make([]*http.Client, j.Clients)
	for i := range clients {
		// Both servers are processes of ours on this machine. What they issue is verified.
		clients[i] = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}, Timeout: time.Minute}
		// The handshake is not what is measured.
		response, err := clients[i].Get(j.Endpoint)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
	}
	if err := say.Encode(0); err != nil {
		return err
	}
	var word string
	if err := told.Decode(&word); err != nil {
		return err
	}

	began := time.Now()
	var wait sync.WaitGroup
	var next atomic.Int64
	failed := make(chan error, j.Clients)
	for _, client := range clients {
		wait.Go(func() {
			for verify := true; ; verify = false { // the first of every client
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				if err := j.issue(client, requests[i], issuer, verify); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return err
	default:
		return say.Encode(took)
	}
}

// issue sends one request and looks at what comes back.
func (j *job) issue(client *http.Client, request *http.Request, issuer *x509.Certificate, verify bool) error {
	var answer struct {
		CertificateArn, Certificate string // a node's
		CRT                         string `json:"crt"` // step-ca's
	}
	if err := send(client, request, &answer); err != nil {
		return err
	}
	if j.Provisioner != nil {
		answer.Certificate = answer.CRT
	} else if answer.CertificateArn == "" {
		return errors.New("the answer names no certificate")
	} else if !j.Fetch {
		return nil
	} else {
		fetch, err := j.awsRequest("GetCertificate", map[string]any{"CertificateAuthorityArn": j.CA, "CertificateArn": answer.CertificateArn})
		if err != nil {
			return err
		}
		if err := send(client, fetch, &answer); err != nil {
			return err
		}
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	if block == nil {
		return errors.New("the answer holds no certificate")
	}
	if !verify {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	return c.CheckSignatureFrom(issuer)
}

func send(client *http.Client, request *http.Request, into any) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return json.Unmarshal(body, into)
}

// newCSR makes a request with a key of its own, PEM.
func newCSR(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// awsRequest makes a signed request.
func (j *job) awsRequest(operation string, input any) (*http.Request, error) {
	body, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, j.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "ACMPrivateCA."+operation)
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: j.KeyID, SecretAccessKey: j.Secret}, region, "acm-pca", time.Now(), sigv4.HashPayload(body))
	return r, nil
}

// stepRequest makes a request of step-ca's own API with a token, as step does.
func (j *job) stepRequest(key *ecdsa.PrivateKey, name string, csr []byte) (*http.Request, error) {
	token, err := token(key, name)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"csr": string(csr), "ott": token})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, j.Endpoint+"/1.0/sign", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// token makes a one-time token: a JWT signed with ES256 (RFC 7518 section 3.4).
func token(key *ecdsa.PrivateKey, name string) (string, error) {
	now := time.Now().Unix()
	text := ""
	for _, part := range []any{
		map[string]string{"alg": "ES256", "kid": provisionerName, "typ": "JWT"},
		map[string]any{"aud": "https://127.0.0.1/1.0/sign", "iss": provisionerName, "sub": name, "sans": []string{name},
			"iat": now, "nbf": now - 5, "exp": now + 300, "jti": rand.Text()},
	} {
		b, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		if text != "" {
			text += "."
		}
		text += base64.RawURLEncoding.EncodeToString(b)
	}
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}
