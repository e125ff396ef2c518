; The installer for Windows: the program, the plugin and the uninstaller, for the current user alone. It needs no
; administrator rights. `cargo xtask dist` passes VERSION, SOURCE (the folder with the files) and OUT.

; For 64 bits, as the programs.
Target amd64-unicode
SetCompressor /SOLID lzma
RequestExecutionLevel user
!include MUI2.nsh

Name "RTJam ${VERSION}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\RTJam"
InstallDirRegKey HKCU "Software\RTJam" "Folder"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\RTJam"
; Where plugin hosts look for the plugins of one user.
!define CLAP "$LOCALAPPDATA\Programs\Common\CLAP"
!define VST3 "$LOCALAPPDATA\Programs\Common\VST3"

!define MUI_COMPONENTSPAGE_NODESC
!insertmacro MUI_PAGE_LICENSE "${SOURCE}/LICENSE-MIT"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

Section "RTJam, the program" SecProgram
    SectionIn RO
    SetOutPath "$INSTDIR"
    File "${SOURCE}/rtjam.exe"
    File "${SOURCE}/README.md"
    File "${SOURCE}/REFERENCE.md"
    File "${SOURCE}/CHANGELOG.md"
    File "${SOURCE}/LICENSE-MIT"
    File "${SOURCE}/LICENSE-APACHE"
    File "${SOURCE}/THIRD-PARTY-LICENSES.txt"
    CreateShortcut "$SMPROGRAMS\RTJam.lnk" "$INSTDIR\rtjam.exe"

    ; Invite links.
    WriteRegStr HKCU "Software\Classes\rtjam" "" "URL:RTJam"
    WriteRegStr HKCU "Software\Classes\rtjam" "URL Protocol" ""
    WriteRegStr HKCU "Software\Classes\rtjam\shell\open\command" "" '"$INSTDIR\rtjam.exe" --join "%1"'

    WriteRegStr HKCU "Software\RTJam" "Folder" "$INSTDIR"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "RTJam"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The RTJam authors"
    WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
    WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
    WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
SectionEnd

Section "Plugin for DAWs: CLAP" SecClap
    SetOutPath "${CLAP}"
    File "${SOURCE}/RTJam.clap"
SectionEnd

Section "Plugin for DAWs: VST3" SecVst3
    SetOutPath "${VST3}"
    File /r "${SOURCE}/RTJam.vst3"
SectionEnd

Section /o "A room server on this computer" SecServer
    SetOutPath "$INSTDIR"
    File "${SOURCE}/rtjam-server.exe"
    File "${SOURCE}/SERVER.md"
SectionEnd

Section "Uninstall"
    Delete "${CLAP}\RTJam.clap"
    RMDir /r "${VST3}\RTJam.vst3"
    Delete "$SMPROGRAMS\RTJam.lnk"
    Delete "$INSTDIR\rtjam.exe"
    Delete "$INSTDIR\rtjam-server.exe"
    Delete "$INSTDIR\README.md"
    Delete "$INSTDIR\REFERENCE.md"
    Delete "$INSTDIR\SERVER.md"
    Delete "$INSTDIR\CHANGELOG.md"
    Delete "$INSTDIR\LICENSE-MIT"
    Delete "$INSTDIR\LICENSE-APACHE"
    Delete "$INSTDIR\THIRD-PARTY-LICENSES.txt"
    Delete "$INSTDIR\uninstall.exe"
    ; Only if nothing else is in it.
    RMDir "$INSTDIR"
    DeleteRegKey HKCU "Software\Classes\rtjam"
    DeleteRegKey HKCU "${UNINSTALL}"
    DeleteRegKey HKCU "Software\RTJam"
SectionEnd
