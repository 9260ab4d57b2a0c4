// Package keys makes private keys, tells their algorithms apart, and seals
// them for storage. It answers for no AWS API; its algorithm names are those
// that ACM and ACM Private CA use on the wire.
//
// Keys live in the process as crypto.Signer. Outside of it they exist only
// sealed under the installation's master key (Sealer), each bound to the name of
// the resource that owns it. It leaves out hardware modules, key wrapping by an
// external KMS, and rotation of the master key.
package keys
