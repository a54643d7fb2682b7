//go:build race

package report

const raceDetected = true
