// Package metrics counts what a node does, and shows it to Prometheus. It
// answers for no AWS API; docs/metrics.md lists what there is.
//
// Counting never waits for anybody: a counter is found through an immutable map
// and raised with one atomic addition, without a lock or an allocation once it is there. So the
// gateway counts handshakes and requests where they happen.
//
// It leaves out traces, exemplars, and labels whose values clients choose.
package metrics
