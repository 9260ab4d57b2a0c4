// Package zones keeps public hosted zones and their record sets, alias records
// among them. It answers for the Route 53 API (2013-04-01); package nameserver
// serves the zones, from what compile.go makes of these records.
//
// Absent, and refused with an error that says so: private zones, reusable
// delegation sets, routing policies (weighted, latency, failover, geolocation,
// multivalue, IP-based), health checks, traffic policies, DNSSEC and query logging.
package zones
