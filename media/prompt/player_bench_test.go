package prompt_test

import (
	"testing"

	"holdfast/media"
	"holdfast/media/prompt"
)

// BenchmarkFrame is the player's own cost of one frame to one leg.
func BenchmarkFrame(b *testing.B) {
	p := prompt.NewPlayer(prompt.Config{})
	defer p.Stop()
	deaf := sinkFunc(func(media.Frame) {})
	const legs = 1000
	for range legs {
		p.Play(deaf, [][]byte{clip(8001, 1)}, true, nil)
	}
	prompt.Tick(p)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += legs {
		prompt.Tick(p)
	}
}
