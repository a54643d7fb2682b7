# Completion of glance-profile for PowerShell. The program answers
# (glance-profile completion powershell prints this file); nothing of the line
# is ever evaluated. Not tested: see the README.
Register-ArgumentCompleter -Native -CommandName 'glance-profile', 'glance-profile.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $question = New-Object System.Text.StringBuilder
    foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.StartOffset -ge $cursorPosition) { break }
        $onCursor = $element.Extent.EndOffset -ge $cursorPosition
        if ($onCursor) { break }
        if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
            [void]$question.Append('=').Append($element.Value)
        } elseif ($element -is [System.Management.Automation.Language.CommandParameterAst] -or
            $element -is [System.Management.Automation.Language.ConstantExpressionAst]) {
            [void]$question.Append('=').Append($element.Extent.Text)
        } else {
            [void]$question.Append('?').Append($element.Extent.Text)
        }
        [void]$question.Append([char]0)
    }
    $current = $wordToComplete -replace "^['""]", '' -replace "['""]$", ''
    [void]$question.Append('=').Append($current).Append([char]0)

    # By Process, since a pipe of PowerShell's changes the encoding and adds ends of lines.
    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = (Get-Command -CommandType Application glance-profile | Select-Object -First 1).Source
    $start.Arguments = '__complete powershell'
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.StandardOutputEncoding = [System.Text.Encoding]::UTF8
    $start.WorkingDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
    try {
        $process = [System.Diagnostics.Process]::Start($start)
        $bytes = [System.Text.Encoding]::UTF8.GetBytes($question.ToString())
        $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
        $process.StandardInput.Close()
        $answer = $process.StandardOutput.ReadToEnd() -split "`n"
    } catch {
        return
    }
    if ($answer[0] -ne 'none') { return } # PowerShell names files by itself
    $found = $answer | Where-Object { $_ -match '^[+~]' } | ForEach-Object {
        $word, $shown, $about = $_.Substring(1) -split "`t", 3
        [System.Management.Automation.CompletionResult]::new($word, $shown, 'ParameterValue', $about)
    }
    if ($found) { $found } else { '' } # an empty text keeps it from naming files
}
