// Package node is one running Countersign. It builds every part from a Config,
// in order, passes each service the siblings it asks for, publishes snapshots to
// the data planes as the store's revision rises, and stops everything in reverse.
// It is the one place where parts meet. It answers for no AWS API of its own.
package node
