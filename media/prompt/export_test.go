package prompt

// Tick sends one frame of everything that plays.
func Tick(p *Player) { p.tick() }

// Decode finds the samples of a WAV file.
var Decode = decode
