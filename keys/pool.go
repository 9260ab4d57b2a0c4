package keys

import (
	"crypto"
	"io"
	"sync"
)

// A Pool keeps a few RSA-2048 keys made ahead, because making one takes some
// 50 ms and most certificates want one. Whoever makes the pool closes it.
type Pool struct {
	rand  io.Reader
	ready chan crypto.Signer
	stop  chan struct{}
	done  chan struct{}
	close sync.Once
}

// NewPool starts a pool that holds up to size keys, filled by one goroutine.
// rand must be safe for concurrent use.
func NewPool(size int, rand io.Reader) *Pool {
	p := &Pool{
		rand:  rand,
		ready: make(chan crypto.Signer, max(size, 0)),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go p.fill()
	return p
}

func (p *Pool) fill() {
	defer close(p.done)
	if cap(p.ready) == 0 {
		return
	}
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		key, err := Generate(RSA2048, p.rand)
		if err != nil {
			return // no randomness: Generate will tell whoever asks next
		}
		select {
		case p.ready <- key:
		case <-p.stop:
			return
		}
	}
}

// Generate returns a new key: one made ahead when the pool has one of that
// algorithm, else one made now. No key is handed out twice. It works after Close
// too.
func (p *Pool) Generate(a Algorithm) (crypto.Signer, error) {
	if a == RSA2048 {
		select {
		case key := <-p.ready:
			return key, nil
		default:
		}
	}
	return Generate(a, p.rand)
}

// Close stops the filling, and returns when its goroutine has ended (at most
// the time of one key).
func (p *Pool) Close() {
	p.close.Do(func() { close(p.stop) })
	<-p.done
}
