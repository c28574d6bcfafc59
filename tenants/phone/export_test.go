package phone

// Remembered is how many texts are remembered.
func Remembered() int {
	readings.mu.Lock()
	defer readings.mu.Unlock()
	return len(readings.young) + len(readings.old)
}
