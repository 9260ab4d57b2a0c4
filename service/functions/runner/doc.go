// Package runner runs functions: it starts one process per execution
// environment, speaks Lambda's Runtime API (2018-06-01) to it over a loopback
// listener of its own, and keeps the environments warm until they are idle,
// outdated or broken. Unmodified executables of the provided.al2 and provided.al2023 runtimes run in it.
//
// It answers for the Runtime API, for registration at the Extensions API as
// far as a runtime needs it to be sent SIGTERM, and for nothing of the Lambda
// API, which is service/functions. Left out: layers and external extensions, response
// streaming to the caller (a streamed response is collected), SnapStart's
// restore calls, the Telemetry API, freezing between invocations, and a limit on memory.
//
// # Isolation
//
// A process gets its own session, an environment made from nothing, a private temporary
// folder, no inherited files, bounds on open files and file size, and, on
// Linux, no_new_privs and death together with the node. Where the node runs as root it gets another
// user. Its Runtime API answers only connections that a process of its own session made.
// Processes of one node can still see each other's, and share the network: this keeps
// honest functions apart, and is not a boundary between tenants that distrust each other.
//
// # Time
//
// Config.Now decides what is old: idle environments, credentials, the times in
// logs and the deadline that a function is told. How long an invocation may run is measured by timers of the
// machine, since the process on the other side lives by them too.
package runner
