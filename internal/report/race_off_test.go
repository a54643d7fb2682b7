//go:build !race

package report

const raceDetected = false
