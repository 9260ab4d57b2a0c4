// Package functions is AWS Lambda (2015-03-31): functions made from zip files,
// their versions, aliases, permissions and invocation. The processes are run by
// functions/runner, and functions/bundle judges the zip files.
//
// # What runs
//
// The runtimes provided.al2023 and provided.al2, with PackageType Zip: an
// executable named bootstrap that speaks the Runtime API, such as any program of aws-lambda-go
// or of the Rust runtime. Other runtimes need an interpreter and a client that
// Countersign does not bring, so creating a function with them is refused
// rather than left to fail at its first invocation.
//
// # Left out
//
// Each of these is refused by name: container images, layers, VPC and file system settings, dead-letter
// queues and destinations, JSON log format, SnapStart, KMS keys, code signing, function URLs, event-source
// mappings, response streaming, weights of aliases, durable and multi-tenant functions. GetFunction gives no link to download the code.
//
// X-Ray is left out too, though TracingConfig may be Active: the mode is kept and shown, and as with
// either mode every invocation has a trace header that is not sampled, which the runtime hands to the function as
// _X_AMZN_TRACE_ID. Nothing records traces, as on AWS where no daemon takes them.
//
// # Decisions where AWS is slower or silent
//
// A function is Active, and an update Successful, when the call that made it
// returns: there is nothing to wait for, and waiters see at once what they wait for. A function
// that needs new environments for a new revision gets them at its next invocation.
//
// Invocations of type Event are kept in the store before 202 is answered,
// carried out at least once, and tried twice more when the function fails, after one and
// two minutes. An event that is throttled is tried with growing pauses until it is six hours old. One that cannot
// be delivered is dropped with a log line. Its payload may have 1 MiB.
//
// Permissions are statements of the function's own policy. Calls that other
// services of this node make (InvokeFor) are judged by it; calls of an account's own principals are
// judged where all of the API is, in package api.
package functions
