package sqlite

import (
	"fmt"
	"time"
)

// Bounds of one step of the sweep, which holds up commits for as long as it takes.
const (
	stepRecords = 500
	stepBlobs   = 64
	stepChunks  = 16 // 8 MiB
)

// blobGrace is how long a blob lives that nobody keeps.
const blobGrace = 24 * time.Hour

// sweep deletes some of the records that have expired and the blobs that are
// due, and says whether there may be more. It gives out no revision: what it
// deletes was invisible already.
func (w *writer) sweep() (more bool) {
	now := micro(w.s.now())
	var due bool
	err := w.anyDue.QueryRow(now).Scan(&due)
	if err == nil && due {
		g := &group{writer: w, now: now}
		if _, err = w.begin.Exec(); err == nil {
			if err = g.sweepStep(); err == nil {
				_, err = w.commit.Exec()
			}
		}
		if err != nil {
			w.abandon()
		}
	}
	if err != nil {
		w.s.log.Warn("sweeping expired data failed; it will be tried again", "error", err)
		return false
	}
	return due
}

func (g *group) sweepStep() error {
	if _, err := g.exec(g.sweepRecords, g.now, stepRecords); err != nil {
		return fmt.Errorf("delete expired records: %w", err)
	}
	rows, err := g.dueBlobs.Query(g.now, stepBlobs)
	if err != nil {
		return fmt.Errorf("list blobs that are due: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("list blobs that are due: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list blobs that are due: %w", err)
	}
	left := int64(stepChunks)
	for _, id := range ids {
		// From here on it cannot be read or kept, wherever the sweep is interrupted
		// and whatever the clock does.
		if _, err := g.exec(g.closeDueBlob, id); err != nil {
			return fmt.Errorf("close blob %d: %w", id, err)
		}
		result, err := g.sweepChunks.Exec(id, left)
		if err != nil {
			return fmt.Errorf("delete chunks of blob %d: %w", id, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if left -= n; left == 0 {
			return nil
		}
		if _, err := g.exec(g.forgetDueBlob, id); err != nil {
			return fmt.Errorf("delete blob %d: %w", id, err)
		}
	}
	return nil
}
