package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"countersign/pki"

	"golang.org/x/term"
)

// passphraseVariable holds the passphrase of a key file, for programs.
const passphraseVariable = "COUNTERSIGN_KEY_PASSPHRASE"

// readKey reads a private key from a PEM file: PKCS#8, encrypted or not, or the
// older forms for EC and RSA.
func readKey(path string) (crypto.Signer, error) {
	data, err := readInput("key", path, maxKeyBytes)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		der := block.Bytes
		switch block.Type {
		case "ENCRYPTED PRIVATE KEY":
			passphrase, err := passphrase("Passphrase of " + path)
			if err != nil {
				return nil, err
			}
			if der, err = pki.DecryptPKCS8(der, passphrase); err != nil {
				return nil, fmt.Errorf("%s: %w; is it the right passphrase?", path, err)
			}
			key, err = x509.ParsePKCS8PrivateKey(der)
			clear(der)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(der)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(der)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, fmt.Errorf("%s is encrypted in the old way of OpenSSL: make PKCS#8 of it with 'openssl pkcs8 -topk8 -in %s'", path, shellQuote(path))
			}
			key, err = x509.ParsePKCS1PrivateKey(der)
		default:
			continue // EC PARAMETERS, a certificate
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("%s: a key of type %T cannot sign", path, key)
		}
		return signer, nil
	}
	return nil, fmt.Errorf("%s holds no private key: want PEM of type PRIVATE KEY or ENCRYPTED PRIVATE KEY", path)
}

// passphrase asks for one on the terminal, unless the environment has it.
func passphrase(prompt string) ([]byte, error) {
	if text := os.Getenv(passphraseVariable); text != "" {
		return []byte(text), nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, errors.New("there is no terminal to ask for the passphrase on: set " + passphraseVariable)
	}
	fmt.Fprint(os.Stderr, prompt+": ")
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = errors.New("the passphrase is empty")
	}
	return text, err
}
