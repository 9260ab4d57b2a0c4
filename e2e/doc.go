// Package e2e holds the tests of the whole system: a node on its real ports, the
// AWS SDK as its client, and real handshakes with real certificates. It has no
// code of its own.
package e2e
